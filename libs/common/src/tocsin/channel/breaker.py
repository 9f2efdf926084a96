"""Whether a provider works: a circuit breaker, as a state machine without a clock, a task or a metric of its own.

    closed ──(half of the latest calls fail, five fail in a row, or it refuses our credentials)──▶ open
    open ──(its pause is over: the next call is a probe)──▶ half_open
    half_open ──(the probe was answered)──▶ closed      ──(it was not)──▶ open, for twice as long

All times are seconds on one clock that does not go back. What a call begun before the breaker opened has to say is not heard any more.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from tocsin.channel.answers import Accepted, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason


class BreakerState(StrEnum):
    """Closed: calls go through. Open: none does. Half open: one does, as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(Enum):
    """What a call says of its provider."""

    WORKS = auto()
    FAILS = auto()
    REFUSES_US = auto()
    """It refuses our credentials, and will refuse all other calls, too."""
    NOTHING = auto()
    """The call was not made, or was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and for how long; seconds."""

    window: int = 10
    """How far back calls are looked at."""
    fewest_calls: int = 10
    """With fewer in the window, no share of them says anything."""
    share: float = 0.5
    in_a_row: int = 5
    first_pause: float = 1.0
    longest_pause: float = 60.0


POLICY: Final = BreakerPolicy()
_ABOUT_THE_MESSAGE: Final = {Reason.RECIPIENT_REFUSED, Reason.SENDER_REFUSED}
"""A provider that gives one of these reasons works: it may take the next message."""


def verdict_of(answer: Answer | None) -> Verdict:
    """None: no call was made."""
    match answer:
        case None:
            return Verdict.NOTHING
        case Accepted() | Rejected():
            return Verdict.WORKS
        case NotSent(reason=Reason.CREDENTIALS_REFUSED):
            return Verdict.REFUSES_US
        case NotSent(reason=reason) if reason in _ABOUT_THE_MESSAGE:
            return Verdict.WORKS
        case _:
            return Verdict.FAILS


def pause_asked_for(answer: Answer | None) -> float:
    """Seconds for which the provider wants to be left alone."""
    return (answer.retry_after or 0.0) if isinstance(answer, NotSent | Throttled) else 0.0


class Breaker:
    """One breaker. `state`, `since` (when it began) and `probe_at` (from when a probe may begin) can be read at any time."""

    __slots__ = ("_failed_in_a_row", "_pause", "_policy", "_window", "epoch", "probe_at", "since", "state")

    def __init__(self, *, now: float, policy: BreakerPolicy = POLICY) -> None:
        self.state = BreakerState.CLOSED
        self.since = now
        self.probe_at = now
        self._policy = policy
        self._pause = 0.0
        """The latest one."""
        self.epoch = 0
        """What a call that begins now is told of; another number in each state."""
        self._failed_in_a_row = 0
        self._window = _Window(policy.window)

    def may_begin(self, now: float) -> bool:
        """Whether a call may begin now."""
        if self.state is BreakerState.OPEN:
            return now >= self.probe_at
        return self.state is BreakerState.CLOSED

    def begin(self, now: float) -> int:
        """A call begins that may. Returns what `end` is to be told."""
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN, now)
        return self.epoch

    def worked(self, now: float) -> None:
        """Of a closed breaker: a call has ended well."""
        self._failed_in_a_row = 0
        self._window.add(now, failed=False)

    def end(self, call: int, verdict: Verdict, now: float, *, asked_for: float = 0.0) -> bool:
        """The call has ended; `asked_for`: the provider wants to be left alone for so long. Whether the state is another one now."""
        if call != self.epoch:
            return False
        before = self.state
        if before is BreakerState.HALF_OPEN:
            self._probed(verdict, now, asked_for)
        elif verdict is Verdict.REFUSES_US or (verdict is not Verdict.NOTHING and self._fails(verdict, now)):
            self._open(now, asked_for)
        return self.state is not before

    def _fails(self, verdict: Verdict, now: float) -> bool:
        """Whether the calls of the latest time say that the provider does not work."""
        failed = verdict is Verdict.FAILS
        window, policy = self._window, self._policy
        window.add(now, failed=failed)
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        return failed and (
            self._failed_in_a_row >= policy.in_a_row
            or (window.calls >= policy.fewest_calls and window.failed >= policy.share * window.calls)
        )

    def _probed(self, verdict: Verdict, now: float, asked_for: float) -> None:
        if verdict is Verdict.WORKS:
            self._failed_in_a_row = 0
            self._window.clear()
            self._become(BreakerState.CLOSED, now)
        elif verdict is Verdict.NOTHING:
            self.probe_at = now
            self._become(BreakerState.OPEN, now)
        else:
            self._open(now, asked_for)

    def _open(self, now: float, asked_for: float) -> None:
        """A provider that failed again soon after it seemed to work is left alone longer than the last time."""
        policy = self._policy
        again = self.state is BreakerState.HALF_OPEN or (
            self._pause and now - self.since < policy.longest_pause
        )
        self._pause = min(self._pause * 2, policy.longest_pause) if again else policy.first_pause
        self.probe_at = now + max(self._pause, asked_for)
        self._become(BreakerState.OPEN, now)

    def _become(self, state: BreakerState, now: float) -> None:
        self.state, self.since = state, now
        self.epoch += 1


class _Window:
    """Calls and failures of the last `seconds` whole seconds."""

    __slots__ = ("_latest", "_past", "_seconds", "calls", "failed")

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.clear()

    def clear(self) -> None:
        self.calls = self.failed = 0
        self._past: deque[list[int]] = deque()
        self._latest = [-1, 0, 0]
        """The second, its calls, and how many of them failed."""

    def add(self, now: float, *, failed: bool) -> None:
        second = int(now)
        if second != self._latest[0]:
            self._go_on(second)
        self._latest[1] += 1
        self.calls += 1
        if failed:
            self._latest[2] += 1
            self.failed += 1

    def _go_on(self, second: int) -> None:
        self._latest = [second, 0, 0]
        self._past.append(self._latest)
        while self._past[0][0] <= second - self._seconds:
            _, calls, failed = self._past.popleft()
            self.calls -= calls
            self.failed -= failed
