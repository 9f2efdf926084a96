"""Which provider is asked next: a table."""

from dataclasses import dataclass

import pytest

from tocsin.channel import Ambiguous, NotSent
from tocsin.channel.choice import next_candidate
from tocsin.channel.retry_policy import Try
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.testing.jobs import job_for

NOT = NotSent(reason=Reason.UNREACHABLE)
UNCLEAR = Ambiguous()


@dataclass(frozen=True)
class Named:
    name: str
    works: bool = True

    def works_for(self, job: Job) -> bool:
        return self.works


def asked(
    candidates: list[Named], tries: list[Try], *, attempt: int = 1, elsewhere: bool = False
) -> str | None:
    job = job_for(Channel.SMS, resend_elsewhere=elsewhere)
    chosen = next_candidate(candidates, job, tries, attempt=attempt)
    return chosen.name if chosen else None


@pytest.mark.parametrize(
    ("tries", "attempt", "elsewhere", "chosen"),
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
def test_who_is_asked_next(tries: list[Try], attempt: int, elsewhere: bool, chosen: str | None) -> None:
    candidates = [Named("a"), Named("b"), Named("c")]
    assert asked(candidates, tries, attempt=attempt, elsewhere=elsewhere) == chosen


@pytest.mark.parametrize(
    ("works", "tries", "chosen"),
    [
        ("bc", [], "b"),
        ("c", [], "c"),
        ("c", [Try("c", NOT)], None),
        ("b", [Try("a", NOT)], "b"),
        # None works: it waits at the first.
        ("", [], "a"),
        ("", [Try("b", UNCLEAR, attempt=0)], "b"),
        ("ac", [Try("b", UNCLEAR, attempt=0)], "b"),
    ],
)
def test_one_that_does_not_work_is_passed_over(works: str, tries: list[Try], chosen: str | None) -> None:
    assert asked([Named(name, works=name in works) for name in "abc"], tries) == chosen
