"""The decision record while it is being made: every rule looked at, in order."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from tocsin.contracts.limits import DECISION_BYTES
from tocsin.contracts.statuses import Decision, RuleOutcome
from tocsin.contracts.vocabulary import Rule

_ALWAYS_FITS: Final = 100
"""A record with every rule in it fits as long as each of its texts, at most three to a rule and four to one, is ASCII of this length."""


class DecisionLog:
    """A list that only grows. `and_then` makes a new log and leaves this one as it is, so that each channel goes on from
    what was looked at before all of them.

    `measure`: a text in it may make the record larger than 4 KiB, so `decision()` must look.
    """

    __slots__ = ("_measure", "_rules")

    def __init__(self, rules: tuple[RuleOutcome, ...] = (), *, measure: bool = False) -> None:
        self._rules = rules
        self._measure = measure

    def and_then(self, rule: Rule, outcome: str, seen: dict[str, Any] | None = None) -> "DecisionLog":
        """This log and one rule more. `seen` are ids, counts, codes and times: no address, no body."""
        measure = self._measure
        if seen is None:
            return DecisionLog((*self._rules, _without_input(rule, outcome)), measure=measure)
        # Encoding each record only to measure it would cost more than making it. So it is measured only when one of
        # its texts is long, or may take more bytes than characters.
        for value in seen.values():
            if type(value) is str and (len(value) > _ALWAYS_FITS or not value.isascii()):
                measure = True
        return DecisionLog(
            (*self._rules, RuleOutcome(rule=rule, outcome=outcome, input=seen)), measure=measure
        )

    def decision(self) -> Decision:
        """The record. If it would be larger than 4 KiB, it holds the rules without their inputs."""
        decision = Decision(rules=list(self._rules))
        if not self._measure or len(msgspec.json.encode(decision)) <= DECISION_BYTES:
            return decision
        bare = [RuleOutcome(rule=looked_at.rule, outcome=looked_at.outcome) for looked_at in self._rules]
        return Decision(rules=bare, truncated=True)


@lru_cache(maxsize=256)
def _without_input(rule: Rule, outcome: str) -> RuleOutcome:
    """Made once: there are few of these, they cannot change, and half of a log consists of them."""
    return RuleOutcome(rule=rule, outcome=outcome)
