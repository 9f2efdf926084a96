"""Which provider is asked next: a table."""

from dataclasses import dataclass

import pytest

from tocsin.channel import Ambiguous, NotSent
from tocsin.channel.choice import next_candidate
from tocsin.channel.retry_policy import Try
from tocsin.contracts.vocabulary import Reason

NOT = NotSent(reason=Reason.UNREACHABLE)
UNCLEAR = Ambiguous()


@dataclass(frozen=True)
class Named:
    name: str


@pytest.mark.parametrize(
    ("tries", "attempt", "elsewhere", "asked"),
    [
        ([], 1, False, "a"),
        ([Try("a", NOT)], 1, False, "b"),
        ([Try("a", NOT), Try("b", NOT)], 1, False, "c"),
        ([Try("a", NOT), Try("b", NOT), Try("c", NOT)], 1, False, None),
        ([Try("a", NOT), Try("b", NOT), Try("c", NOT)], 2, False, "a"),
        ([Try("a", NOT), Try("a", NOT, attempt=2)], 2, False, "b"),
        # Nobody knows whether it was sent: at once nobody else, later the same.
        ([Try("a", UNCLEAR)], 1, False, None),
        ([Try("a", UNCLEAR)], 2, False, "a"),
        ([Try("a", NOT), Try("b", UNCLEAR)], 2, False, "b"),
        ([Try("a", UNCLEAR), Try("a", NOT, attempt=2)], 2, False, None),
        ([Try("gone", UNCLEAR)], 2, False, None),
        # The category allows more.
        ([Try("a", UNCLEAR)], 1, True, "b"),
        ([Try("a", UNCLEAR)], 2, True, "a"),
    ],
)
def test_who_is_asked_next(tries: list[Try], attempt: int, elsewhere: bool, asked: str | None) -> None:
    candidates = [Named("a"), Named("b"), Named("c")]
    chosen = next_candidate(candidates, tries, attempt=attempt, resend_elsewhere=elsewhere)
    assert (chosen and chosen.name) == asked
