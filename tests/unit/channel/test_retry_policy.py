"""What follows from an answer: a table."""

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.channel.retry_policy import ATTEMPTS, Finish, Retry, decide
from tocsin.contracts.vocabulary import Reason, StatusName

UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("answer", "attempt", "uncertain", "status", "reason"),
    [
        (Accepted(message_id="m"), 1, False, StatusName.SENT, None),
        (Accepted(), ATTEMPTS, True, StatusName.SENT, None),
        (Rejected(reason=Reason.ADDRESS_INVALID), 1, False, StatusName.FAILED, Reason.ADDRESS_INVALID),
        (UNREACHABLE, ATTEMPTS, False, StatusName.FAILED, Reason.RETRIES_EXHAUSTED),
        (Throttled(), ATTEMPTS, False, StatusName.FAILED, Reason.RETRIES_EXHAUSTED),
        (Throttled(retry_after=60), 1, False, StatusName.FAILED, Reason.RETRIES_EXHAUSTED),
        (UNREACHABLE, ATTEMPTS, True, StatusName.UNKNOWN, Reason.NO_ANSWER),
        (Ambiguous(), ATTEMPTS, False, StatusName.UNKNOWN, Reason.NO_ANSWER),
    ],
)
def test_ends(answer, attempt, uncertain, status, reason):
    end = decide(answer, attempt=attempt, uncertain=uncertain)
    assert isinstance(end, Finish)
    assert (end.status, end.reason) == (status, reason)


@pytest.mark.parametrize(
    ("answer", "attempt", "delay"),
    [
        (UNREACHABLE, 1, 0.2),
        (UNREACHABLE, 2, 0.8),
        (Ambiguous(), 1, 0.2),
        (Throttled(retry_after=1.5), 1, 1.5),
        (NotSent(reason=Reason.UNREACHABLE, retry_after=0.01), 2, 0.8),
    ],
)
def test_another_attempt(answer, attempt, delay):
    again = decide(answer, attempt=attempt)
    assert isinstance(again, Retry)
    assert again.delay == pytest.approx(delay)
