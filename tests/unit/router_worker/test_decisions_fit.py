"""A decision's record: its rules are cut to what it may take, its targets never."""

import msgspec
import pytest
from tests.unit.router_worker.questions import NOW, STORED, WORKFLOW, intent, question

from tocsin.contracts.directory import Step
from tocsin.contracts.limits import DECISION_RULES_BYTES
from tocsin.contracts.recipients import Device
from tocsin.contracts.statuses import ChannelDecision, Decision, Target, decision_of
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, Rule
from tocsin.router.policy import (
    decide,
    encode_fitting,
    looked_at,
)


@pytest.mark.parametrize(("withheld", "outcome"), [(0, Outcome.DECIDED), (19, Outcome.FAILED)])
def test_targets_that_get_nothing_count_too_for_what_a_decision_holds(withheld: int, outcome: Outcome):
    """Each channel that gets nothing has a target as well: they have to fit beside those that are sent to."""
    devices = tuple(Device(id="d" * 1087 + f"{number:02}", token="t") for number in range(50))
    steps = [
        Step(name="all", channels=(Channel.PUSH,)),
        *(Step(name=str(number), channels=(Channel.SMS,), template="none") for number in range(withheld)),
    ]
    verdict = decide(
        question(
            stored=msgspec.structs.replace(STORED, devices=devices),
            workflow=msgspec.structs.replace(WORKFLOW, steps=steps),
        )
    )
    assert verdict.outcome is outcome


def decision(*, channels: int, words: int) -> Decision:
    """A decision with every rule for itself and for each of its channels, each with an input of so many letters."""
    looked = [looked_at(rule, "looked at", {"locale": "ü" * words}) for rule in Rule]
    target = Target("d", "email", None, "routed", None, None)
    fields = [
        ChannelDecision(step="1", channel=f"c{number}", rules=list(looked), targets=[target] * 50)
        for number in range(channels)
    ]
    return decision_of(
        intent(), Outcome.DECIDED, lane=Lane.BULK, cause="t/0/1", at=NOW, rules=looked, channels=fields
    )


@pytest.mark.parametrize(
    ("channels", "words", "rules_left"),
    [
        (1, 1, ["inputs", "inputs"]),
        (1, 900, ["bare", "bare"]),
        (4, 30, ["bare", *["bare"] * 4]),
        (20, 1, ["bare", *["none"] * 20]),
    ],
)
def test_rules_are_cut_to_4_kib_and_targets_never(channels, words, rules_left):
    written = msgspec.json.decode(encode_fitting(decision(channels=channels, words=words)), type=Decision)
    kept = [written.rules, *(channel.rules for channel in written.channels)]
    assert sum(len(msgspec.json.encode(rules)) for rules in kept) <= DECISION_RULES_BYTES
    assert ["none" if not rules else "inputs" if rules[0].input else "bare" for rules in kept] == rules_left
    assert written.truncated == ("inputs" not in rules_left)
    assert all(len(channel.targets) == 50 for channel in written.channels)
