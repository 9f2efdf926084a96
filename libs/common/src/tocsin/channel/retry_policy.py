"""What follows from a provider's answer: the message's end, or another attempt in a moment.

Attempts are made again within the process, `ATTEMPTS` in all and within a second or two, at the same provider and under the
same idempotency key. What is still not sent then ends as `failed(retries_exhausted)`, what is still uncertain as `unknown`.
"""

from dataclasses import dataclass

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason, StatusName

ATTEMPTS = 3
FIRST_DELAY = 0.2
LONGEST_DELAY = 2.0
"""Seconds. A provider that asks for longer is not waited for: the attempts are used up sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The delivery ends as `status`."""

    status: StatusName
    reason: Reason | None = None
    code: str | None = None
    detail: str | None = None
    message_id: str | None = None
    segments: int | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again after `delay` seconds."""

    delay: float


RetryDecision = Finish | Retry


def decide(answer: Answer, *, attempt: int, uncertain: bool = False) -> RetryDecision:  # noqa: PLR0911 - one for each end
    """What follows from `answer` to attempt number `attempt` (from 1); `uncertain`: an earlier attempt ended `Ambiguous`,
    so that giving up cannot claim that nothing was sent."""
    match answer:
        case Accepted(message_id=message_id, code=code, segments=segments):
            return Finish(status=StatusName.SENT, message_id=message_id, code=code, segments=segments)
        case Rejected(reason=reason, code=code, detail=detail):
            return Finish(status=StatusName.FAILED, reason=reason, code=code, detail=detail, retryable=False)
        case NotSent(retry_after=wish) | Throttled(retry_after=wish) if _may_try(attempt, wish):
            return Retry(delay=_delay(attempt, wish))
        case Ambiguous() if attempt < ATTEMPTS:
            return Retry(delay=_delay(attempt, None))
        case NotSent() | Throttled() if uncertain:
            return Finish(
                status=StatusName.UNKNOWN, reason=Reason.NO_ANSWER, code=answer.code, detail=answer.detail
            )
        case NotSent(code=code, detail=detail) | Throttled(code=code, detail=detail):
            return Finish(
                status=StatusName.FAILED,
                reason=Reason.RETRIES_EXHAUSTED,
                code=code,
                detail=detail,
                retryable=True,
            )
        case Ambiguous(reason=reason, code=code, detail=detail):
            return Finish(status=StatusName.UNKNOWN, reason=reason, code=code, detail=detail)


def _may_try(attempt: int, wish: float | None) -> bool:
    return attempt < ATTEMPTS and (wish is None or wish <= LONGEST_DELAY)


def _delay(attempt: int, wish: float | None) -> float:
    usual: float = FIRST_DELAY * 4 ** (attempt - 1)
    return max(wish or 0.0, min(usual, LONGEST_DELAY))
