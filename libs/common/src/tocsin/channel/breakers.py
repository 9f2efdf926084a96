"""The breakers of one provider instance: one for each of its far ends, told by calls, shown to operators.

A provider that has one far end, itself, has one breaker, under the name None. What is known of a far end is forgotten when ten thousand
others were called since: its breaker is closed again then.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent
from tocsin.channel.breaker import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    Verdict,
    pause_asked_for,
    verdict_of,
)
from tocsin.contracts.vocabulary import Channel
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock

log = get_logger(__name__)

MOST_FAR_ENDS: Final = 10_000
_SOON: Final = 0.01
"""Seconds. A timer may fire a moment too early."""

_FAILURES: Final = {Verdict.FAILS, Verdict.REFUSES_US}
SENTENCES: Final = {
    "credentials": "provider refuses our credentials: no call but probes goes there until they are mended",
    "failures": "provider does not work: no call but probes goes there",
}


class Gate(Protocol):
    """What stands before the calls to a far end."""

    def shut(self, far_end: str | None) -> None:
        """No call begins from now on."""
        ...

    def open_again(self, far_end: str | None) -> None:
        """A call may begin."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerView:
    """One breaker, as an operator sees it."""

    far_end: str | None
    state: BreakerState
    since: datetime
    last_error: str | None
    """Reason and code of the last call that failed; never the provider's text."""


class _Watched:
    """A breaker and what belongs to it."""

    __slots__ = ("breaker", "last_error", "said", "timer")

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker
        self.last_error: str | None = None
        self.said = False
        """Whether it was said that it does not work."""
        self.timer: asyncio.TimerHandle | None = None
        """Until a probe may begin."""


class Breakers:
    """`on_turn` is called whenever one of them has become another state, or may be probed."""

    def __init__(
        self,
        *,
        channel: Channel,
        provider: str,
        gate: Gate,
        on_turn: Callable[[], None],
        policy: BreakerPolicy,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._provider = provider
        self._gate = gate
        self._on_turn = on_turn
        self._policy = policy
        self._clock = clock
        own = self._new()
        self._own = own.breaker
        self._watched: OrderedDict[str | None, _Watched] = OrderedDict({None: own})
        self.troubled = 0
        """How many of them are not closed."""
        self._closed = False
        for state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
            metrics.breakers.labels(channel, provider, state)  # 0, or what a predecessor still shows

    def begin(self, far_end: str | None) -> int:
        """A call begins. Returns what `end` is to be told."""
        if far_end is None and not self.troubled:  # nearly always so
            return self._own.epoch
        watched = self._of(far_end)
        breaker = watched.breaker
        if breaker.state is BreakerState.CLOSED:
            return breaker.begin(0.0)
        call = breaker.begin(self._clock.monotonic())
        self._gate.shut(far_end)
        self._show()
        return call

    def end(self, far_end: str | None, call: int, answer: Answer | None) -> None:
        """It was answered; None: it was not made, or given up."""
        if type(answer) is Accepted and far_end is None and not self.troubled:
            self._own.worked(self._clock.monotonic())
            return
        if self._closed:
            return
        watched = self._of(far_end)
        verdict = verdict_of(answer)
        if answer is not None and verdict in _FAILURES:
            watched.last_error = _error(answer)
        asked_for = pause_asked_for(answer)
        if watched.breaker.end(call, verdict, self._clock.monotonic(), asked_for=asked_for):
            self._turned(far_end, watched, verdict)

    def works(self, far_end: str | None) -> bool:
        """Whether a call may begin now."""
        watched = self._watched.get(far_end)
        return watched is None or watched.breaker.may_begin(self._clock.monotonic())

    def is_closed(self, far_end: str | None) -> bool:
        """Whether calls go through without more ado."""
        watched = self._watched.get(far_end)
        return watched is None or watched.breaker.state is BreakerState.CLOSED

    def works_in(self, far_end: str | None) -> float:
        """Seconds until the next probe; 0: it works."""
        if self.is_closed(far_end):
            return 0.0
        return max(self._watched[far_end].breaker.probe_at - self._clock.monotonic(), 0.0)

    def views(self) -> list[BreakerView]:
        """All of them, the instance's own first."""
        now, mono = self._clock.now(), self._clock.monotonic()
        return [
            BreakerView(
                far_end=far_end,
                state=watched.breaker.state,
                since=now - timedelta(seconds=mono - watched.breaker.since),
                last_error=watched.last_error,
            )
            for far_end, watched in self._watched.items()
        ]

    def close(self) -> None:
        """Nothing that comes later has any effect."""
        if self._closed:
            return
        self._closed = True
        if self.troubled:  # else what is shown under this name is another one's, which is still in use
            _show_states(self._channel, self._provider, Counter())
        for far_end, watched in self._watched.items():
            _stop(watched)
            if watched.breaker.state is not BreakerState.CLOSED:
                self._gate.open_again(far_end)  # a successor may share it, and has breakers of its own

    def _new(self) -> _Watched:
        return _Watched(Breaker(now=self._clock.monotonic(), policy=self._policy))

    def _of(self, far_end: str | None) -> _Watched:
        watched = self._watched.get(far_end)
        if watched is None:
            watched = self._watched[far_end] = self._new()
            if len(self._watched) > MOST_FAR_ENDS:
                self._forget(next(known for known in self._watched if known is not None))
        elif far_end is not None:
            self._watched.move_to_end(far_end)
        return watched

    def _forget(self, far_end: str | None) -> None:
        watched = self._watched.pop(far_end)
        _stop(watched)
        if watched.breaker.state is not BreakerState.CLOSED:
            self._gate.open_again(far_end)
            self._show()

    def _turned(self, far_end: str | None, watched: _Watched, verdict: Verdict) -> None:
        """Open or closed now."""
        if watched.breaker.state is BreakerState.CLOSED:
            watched.said = False
            self._gate.open_again(far_end)
            log.warning("provider works again", provider=self._provider, far_end=far_end)
        else:
            self._gate.shut(far_end)
            self._until_probe(far_end, watched)
            self._say(far_end, watched, verdict)
        self._show()
        self._on_turn()

    def _say(self, far_end: str | None, watched: _Watched, verdict: Verdict) -> None:
        """Once for a provider that worked; that a probe has failed is no news."""
        if watched.said:
            return
        watched.said = True
        cause = "credentials" if verdict is Verdict.REFUSES_US else "failures"
        metrics.breaker_openings.labels(self._channel, self._provider, cause).inc()
        log.error(SENTENCES[cause], provider=self._provider, far_end=far_end, last_error=watched.last_error)

    def _until_probe(self, far_end: str | None, watched: _Watched) -> None:
        _stop(watched)
        seconds = max(watched.breaker.probe_at - self._clock.monotonic(), _SOON)
        watched.timer = asyncio.get_running_loop().call_later(seconds, self._probe_due, far_end, watched)

    def _probe_due(self, far_end: str | None, watched: _Watched) -> None:
        watched.timer = None
        if not watched.breaker.may_begin(self._clock.monotonic()):
            self._until_probe(far_end, watched)
            return
        self._gate.open_again(far_end)
        self._on_turn()

    def _show(self) -> None:
        states = Counter(watched.breaker.state for watched in self._watched.values())
        self.troubled = states.total() - states[BreakerState.CLOSED]
        _show_states(self._channel, self._provider, states)


def _show_states(channel: Channel, provider: str, states: Counter[BreakerState]) -> None:
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        metrics.breakers.labels(channel, provider, state).set(states[state])


def _error(answer: Answer) -> str:
    reason = answer.reason.value if isinstance(answer, NotSent | Ambiguous) else "throttled"
    return f"{reason} {answer.code}" if answer.code else reason


def _stop(watched: _Watched) -> None:
    if watched.timer is not None:
        watched.timer.cancel()
        watched.timer = None
