"""The rules of a decision: how one is written down, and how all of them fit into their 4 KiB."""

from functools import lru_cache
from typing import Any

import msgspec

from tocsin.contracts.limits import DECISION_RULES_BYTES
from tocsin.contracts.statuses import Decision, RuleOutcome
from tocsin.contracts.vocabulary import Rule

_encode = msgspec.json.Encoder().encode


def looked_at(rule: Rule, outcome: str, seen: dict[str, Any] | None = None) -> RuleOutcome:
    """One rule, and what followed from it. `seen` are ids, counts, codes and times: no address, no body."""
    if seen is None:
        return _without_input(rule, outcome)
    return RuleOutcome(rule=rule, outcome=outcome, input=seen)


@lru_cache(maxsize=256)
def _without_input(rule: str, outcome: str) -> RuleOutcome:
    """Made once: there are few of these, they cannot change, and half of a decision consists of them."""
    return RuleOutcome(rule=rule, outcome=outcome)


def encode_fitting(decision: Decision) -> bytes:
    """The record's bytes. Where its rules would take more than 4 KiB their inputs are cut, and if that is not enough, the
    rules of the channels."""
    encoded = _encode(decision)
    # A small record has no room for rules that are too large, so that most are encoded once.
    if len(encoded) <= DECISION_RULES_BYTES or _rules_fit(decision):
        return encoded
    decision.truncated = True
    decision.rules = _bare(decision.rules)
    for channel in decision.channels:
        channel.rules = _bare(channel.rules)
    if not _rules_fit(decision):
        for channel in decision.channels:
            channel.rules = []
    return _encode(decision)


def _rules_fit(decision: Decision) -> bool:
    size = len(_encode(decision.rules))
    for channel in decision.channels:
        size += len(_encode(channel.rules))
    return size <= DECISION_RULES_BYTES


def _bare(rules: list[RuleOutcome]) -> list[RuleOutcome]:
    return [_without_input(rule.rule, rule.outcome) for rule in rules]
