"""The decision record while it is being made: every rule looked at, in order."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from tocsin.contracts.limits import DECISION_BYTES
from tocsin.contracts.statuses import Decision, RuleOutcome
from tocsin.contracts.vocabulary import Rule

_ALWAYS_FITS: Final = 100
"""Plain ASCII texts up to this long, three to a rule, fit a record with every rule in it."""


class Trail:
    """A list that only grows: a branch (`and_then`) shares what was looked at before it."""

    __slots__ = ("_measure", "_rules")

    def __init__(self, rules: tuple[RuleOutcome, ...] = (), *, measure: bool = False) -> None:
        self._rules = rules
        self._measure = measure

    def and_then(self, rule: Rule, outcome: str, seen: dict[str, Any] | None = None) -> "Trail":
        """This trail and one rule more. `seen` are ids, counts, codes and times: no address, no body."""
        measure = self._measure
        if seen is None:
            return Trail((*self._rules, _without_input(rule, outcome)), measure=measure)
        for value in seen.values():
            if type(value) is str and (len(value) > _ALWAYS_FITS or not value.isascii()):
                measure = True
        return Trail((*self._rules, RuleOutcome(rule=rule, outcome=outcome, input=seen)), measure=measure)

    def decision(self) -> Decision:
        """The record; where it would pass 4 KiB, the rules without their inputs."""
        decision = Decision(rules=list(self._rules))
        if not self._measure or len(msgspec.json.encode(decision)) <= DECISION_BYTES:
            return decision
        bare = [RuleOutcome(rule=one.rule, outcome=one.outcome) for one in self._rules]
        return Decision(rules=bare, truncated=True)


@lru_cache(maxsize=256)
def _without_input(rule: Rule, outcome: str) -> RuleOutcome:
    """Few and immutable, and one in two: made once."""
    return RuleOutcome(rule=rule, outcome=outcome)
