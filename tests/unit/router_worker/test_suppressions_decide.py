"""The rule `suppression`: between preference and address, for required categories too, and never by the recipient's name."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.router_worker.questions import (
    CATEGORY,
    EVENT_TIME,
    NOW,
    STORED,
    deliveries,
    intent,
    question,
    rules,
)

from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.recipients import Device
from tocsin.contracts.vocabulary import Channel, Reason, Rule
from tocsin.router.policy import ANY, Deliver, Preference, Suppression, Withhold, decide

SINCE = EVENT_TIME - timedelta(days=30)
REQUIRED = msgspec.structs.replace(CATEGORY, default="required")
MAIL = ("acme", Channel.EMAIL, "ann@example.test")


def suppression(cause: str = "bounce", **changes: Any) -> Suppression:
    return Suppression("h1.AAAAAAAAAAAAAAAA", ANY, cause, "provider", SINCE)._replace(**changes)


def asked(*stored: Suppression, **changes: Any):
    return question(suppressed={MAIL: stored}, **changes)


def mail_of(verdict) -> tuple[Any, ...]:
    return deliveries(verdict)[0]


HELD = (Channel.EMAIL, "email", (Rule.SUPPRESSION, Reason.BOUNCE))
SENT = (Channel.EMAIL, "email", "deliver")


@pytest.mark.parametrize(
    ("changes", "category", "held"),
    [
        ({}, CATEGORY, True),
        ({}, REQUIRED, True),
        ({"category": "orders"}, CATEGORY, True),
        ({"category": "marketing"}, CATEGORY, False),
        ({"until": NOW + timedelta(seconds=1)}, CATEGORY, True),
        ({"until": NOW}, CATEGORY, False),
        ({"spares_required": True}, CATEGORY, True),
        ({"spares_required": True}, REQUIRED, False),
    ],
)
def test_when_an_address_is_suppressed(changes: dict[str, Any], category: Any, held: bool):
    verdict = decide(asked(suppression(**changes), category=category))
    assert mail_of(verdict) == (HELD if held else SENT)


@pytest.mark.parametrize("cause", ["bounce", "complaint", "manual", "gone"])
def test_the_reason_is_the_cause_and_the_rule_shows_the_hash(cause: str):
    outcome = decide(asked(suppression(cause, until=NOW + timedelta(days=1)))).channels[0]
    assert isinstance(outcome, Withhold)
    assert (outcome.rule, outcome.reason) == (Rule.SUPPRESSION, Reason(cause))
    assert rules(outcome.rules) == [("preference", "none"), ("suppression", cause)]
    assert outcome.rules[-1].input == {
        "address_hash": "h1.AAAAAAAAAAAAAAAA", "source": "provider", "since": SINCE,
        "until": NOW + timedelta(days=1), "addresses": 1,
    }  # fmt: skip


def test_of_several_causes_the_strongest_is_named_and_one_that_spares_gives_way_to_others():
    stored = [
        suppression("manual", spares_required=True),
        suppression("gone", category="orders"),
        suppression("bounce"),
        suppression("complaint", until=NOW),
    ]
    outcome = decide(asked(*stored, category=REQUIRED)).channels[0]
    assert isinstance(outcome, Withhold)
    assert outcome.reason is Reason.BOUNCE


def test_a_cause_of_a_newer_release_holds_too():
    outcome = decide(asked(suppression("haunted"))).channels[0]
    assert isinstance(outcome, Withhold)
    assert outcome.reason is Reason.MANUAL


def test_a_preference_decides_before_it_and_a_missing_address_is_missing():
    off = Preference("email", "*", "*", False, "api", SINCE)
    verdict = decide(asked(suppression(), stored=msgspec.structs.replace(STORED, preferences=(off,))))
    assert mail_of(verdict) == (Channel.EMAIL, "email", (Rule.PREFERENCE, Reason.PREFERENCE_OFF))
    verdict = decide(asked(suppression(), stored=msgspec.structs.replace(STORED, email=None)))
    assert mail_of(verdict) == (Channel.EMAIL, "email", (Rule.ADDRESS, Reason.ADDRESS_MISSING))


def test_it_holds_on_its_channel_and_in_its_tenant_alone():
    verdict = decide(asked(suppression()))
    assert [delivery[2] for delivery in deliveries(verdict)[1:]] == ["deliver"] * 3
    elsewhere = {("other", *MAIL[1:]): [suppression()], ("acme", Channel.SMS, MAIL[2]): [suppression()]}
    assert mail_of(decide(question(suppressed=elsewhere))) == SENT


def test_an_address_is_known_in_whatever_case_it_is_written():
    stored = msgspec.structs.replace(STORED, email="Ann@example.test")
    assert mail_of(decide(asked(suppression(), stored=stored))) == HELD


def test_of_several_devices_the_others_get_the_message():
    suppressed = {("acme", Channel.PUSH, "t1"): [suppression("manual")]}
    push = decide(question(suppressed=suppressed)).channels[-1]
    assert isinstance(push, Deliver)
    assert [each.address_key for each in push.destinations] == ["d2"]
    assert rules(push.rules)[1:3] == [("suppression", "manual"), ("address", "present")]
    again = DeliveryRef(channel=Channel.PUSH, step="1", address_key="d1")
    (recheck,) = decide(question(suppressed=suppressed, intent=intent(delivery=again))).channels
    assert isinstance(recheck, Withhold)
    assert (recheck.ref, recheck.rule) == (again, Rule.SUPPRESSION)


def test_a_token_is_not_folded():
    stored = msgspec.structs.replace(STORED, devices=(Device(id="d1", token="T1"),))
    suppressed = {("acme", Channel.PUSH, "t1"): [suppression("manual")]}
    verdict = decide(question(suppressed=suppressed, stored=stored))
    assert deliveries(verdict)[-1] == (Channel.PUSH, "d1", "deliver")
