"""What follows from a provider's answer: the delivery's end, or another attempt in a moment.

Within one attempt a message is tried at one provider after the other, until one takes it or nobody is left to try. The first `ATTEMPTS`
follow one another within the process, with at most 2 s between two of them. What is still not sent then is put off (`deferral`), what is
uncertain after `ATTEMPTS` such answers ends as `unknown`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.jobs import DeliveryClass
from tocsin.contracts.vocabulary import Reason, StatusName

T = TypeVar("T")

ATTEMPTS = 3
FIRST_DELAY = 0.2
LONGEST_DELAY = 2.0
"""Seconds. A provider that asks for longer is not waited for in the process."""


class Try(NamedTuple):
    """One call to a provider instance, its answer, and how many seconds it took."""

    provider: str
    answer: Answer
    seconds: float = 0.0
    attempt: int = 1
    """Of which attempt it is one: the first, the second."""


class Finish(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The delivery ends as `status`."""

    status: StatusName
    reason: Reason | None = None
    code: str | None = None
    detail: str | None = None
    message_id: str | None = None
    segments: int | None = None
    retryable: bool | None = None
    gone_since: datetime | None = None


class Retry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Try again at `due`."""

    due: float


class NotTaken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The last provider did not take it, and another attempt at once would not help. `retry_after` in seconds, as it asks for."""

    reason: Reason
    code: str | None = None
    detail: str | None = None
    retry_after: float | None = None


class FailOver(msgspec.Struct, frozen=True):
    """Try at the next provider at once, within the same attempt."""


UNKNOWN_END = Finish(status=StatusName.UNKNOWN, reason=Reason.NO_ANSWER)
"""How a delivery ends that no further call is made for, but that an earlier one may have sent."""

INTERRUPTED_END = Finish(status=StatusName.UNKNOWN, reason=Reason.INTERRUPTED)
"""How a delivery ends whose former owner wrote that it would send it at most once, and no outcome."""


def uncertain(tries: Sequence[Try]) -> bool:
    """Whether one of these calls may have sent the message although its provider did not say so."""
    return any(isinstance(call.answer, Ambiguous) for call in tries)


def uncertain_provider(tries: Sequence[Try]) -> str | None:
    """Which of these providers may have sent the message, the latest if several may have."""
    return next((call.provider for call in reversed(tries) if isinstance(call.answer, Ambiguous)), None)


def end_without_call(tries: Sequence[Try], end: T) -> T | Finish:
    """`end`, which makes another call unnecessary; or `UNKNOWN_END` if it would claim too much after these tries."""
    return UNKNOWN_END if uncertain(tries) else end


def after_answer(  # noqa: PLR0911 - one for each end
    tries: Sequence[Try],
    *,
    now: float,
    delivery_class: DeliveryClass = "at_least_once",
    somebody_left: bool = False,
) -> Finish | Retry | FailOver | NotTaken:
    """What follows from the last of `tries`, in view of those before it; `now` in seconds, on any clock.

    `Rejected` ends the delivery as `failed` even after the same provider's ambiguous answer, as `unknown` after another's. For
    `at_most_once` an ambiguous answer ends it.
    `somebody_left`: another provider may be asked in this attempt.
    """
    answer, attempt = tries[-1].answer, tries[-1].attempt
    match answer:
        case Accepted(message_id=message_id, code=code, segments=segments):
            return Finish(status=StatusName.SENT, message_id=message_id, code=code, segments=segments)
        case Rejected():
            return _rejected(answer, tries)
        case NotSent() | Throttled() if somebody_left:
            return FailOver()
        case Ambiguous() if somebody_left and delivery_class == "at_least_once":
            return FailOver()
        case NotSent(retry_after=wish) | Throttled(retry_after=wish) if attempt < ATTEMPTS and (
            wish is None or wish <= LONGEST_DELAY
        ):
            return _retry(attempt, wish, now)
        case Ambiguous() if _uncertain_attempts(tries) < ATTEMPTS and delivery_class == "at_least_once":
            return _retry(attempt, None, now)
        case NotSent(reason=reason, code=code, detail=detail, retry_after=wish):
            return NotTaken(reason=reason, code=code, detail=detail, retry_after=wish)
        case Throttled(code=code, detail=detail, retry_after=wish):
            return NotTaken(reason=Reason.THROTTLED, code=code, detail=detail, retry_after=wish)
        case Ambiguous(reason=reason, code=code, detail=detail):
            return Finish(status=StatusName.UNKNOWN, reason=reason, code=code, detail=detail)


def _rejected(answer: Rejected, tries: Sequence[Try]) -> Finish:
    code, detail = answer.code, answer.detail
    if uncertain_provider(tries) not in {None, tries[-1].provider}:
        return Finish(status=StatusName.UNKNOWN, reason=Reason.NO_ANSWER, code=code, detail=detail)
    return Finish(
        status=StatusName.FAILED,
        reason=answer.reason,
        code=code,
        detail=detail,
        retryable=False,
        gone_since=answer.since,
    )


def _uncertain_attempts(tries: Sequence[Try]) -> int:
    return len({call.attempt for call in tries if isinstance(call.answer, Ambiguous)})


def _retry(attempt: int, wish: float | None, now: float) -> Retry:
    usual: float = FIRST_DELAY * 4 ** min(attempt - 1, ATTEMPTS)
    return Retry(due=now + max(wish or 0.0, min(usual, LONGEST_DELAY)))
