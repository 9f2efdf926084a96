"""What becomes of a delivery that no provider took and that another attempt at once would not help: it waits in a timer, or ends.

Pure. After the n-th attempt it waits for a random part of `first * factor^(n-1)` seconds, at most of `cap`, and never less than its
provider asked for. Random, and from zero on (full jitter), so that what an outage has put off does not come back all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.channel.retry_policy import Finish, NotTaken, Try, uncertain
from tocsin.contracts.vocabulary import Reason, StatusName

_LARGEST_EXPONENT: Final = 64
"""Every wait has come to its cap by then, and no number is too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferralPolicy:
    """How long one channel goes on trying. All times in seconds."""

    first: float = 4.0
    factor: float = 2.0
    cap: float = 900.0
    attempts: int = 100
    age: float = 6 * 86_400.0
    """After the first attempt."""

    def longest_wait(self, attempt: int) -> float:
        """The most that is waited after this attempt, the first being 1."""
        return min(self.cap, self.first * self.factor ** min(attempt - 1, _LARGEST_EXPONENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """The next attempt is made at `due`, by whoever then has the partition; why, as the last answer said."""

    due: datetime
    reason: Reason
    code: str | None = None
    detail: str | None = None


def defer_or_end(
    policy: DeferralPolicy,
    not_taken: NotTaken,
    tries: Sequence[Try],
    *,
    first_at: datetime,
    expires_at: datetime,
    now: datetime,
    jitter: float,
) -> Defer | Finish:
    """What follows from the last of `tries`, the first of which was made at `first_at`. `jitter` is random, from 0 up to 1.

    The next attempt is always due before the message expires and before the policy's age is over. Where less than the policy's
    `first` is left until then, or less than the provider asks for, there is none.
    """
    attempt = tries[-1].attempt
    last = min(expires_at, first_at + timedelta(seconds=policy.age))
    asked = not_taken.retry_after or 0.0
    left = (last - now).total_seconds() - asked
    if attempt >= policy.attempts or left < policy.first:
        return _given_up(not_taken, tries)
    wait = asked + jitter * min(policy.longest_wait(attempt), left)
    return Defer(
        due=now + timedelta(seconds=wait),
        reason=not_taken.reason,
        code=not_taken.code,
        detail=not_taken.detail,
    )


def _given_up(not_taken: NotTaken, tries: Sequence[Try]) -> Finish:
    if uncertain(tries):
        # The last call sent nothing, but an earlier one may have: "failed" would claim too much.
        return Finish(
            status=StatusName.UNKNOWN,
            reason=Reason.NO_ANSWER,
            code=not_taken.code,
            detail=not_taken.detail,
        )
    return Finish(
        status=StatusName.FAILED,
        reason=Reason.RETRIES_EXHAUSTED,
        code=not_taken.code,
        detail=not_taken.detail,
        retryable=True,
    )
