"""Many happenings of a kind as a few lines: the first at once, then how often in each interval.

A provider that is away fails a hundred calls a second, a broken producer sends as many unreadable records. One line for each says no
more than the first and a count, and hides everything else.

Kinds that come in great numbers (a producer can make up its source) bring no more lines: in an interval the first `AT_ONCE` kinds are told
when they first come, and at its end the `LARGEST` most frequent ones; all others are one line.
"""

import asyncio
from collections.abc import Callable, Hashable
from contextvars import Context
from typing import Any, Final, Generic, TypeVar

INTERVAL: Final = 30.0
"""Seconds."""
AT_ONCE: Final = 3
LARGEST: Final = 6
MOST_KINDS: Final = 1_000
"""Kinds counted apart in an interval; 100 bytes each."""

K = TypeVar("K", bound=Hashable)
Say = Callable[[K | None, Any, int, float], None]
"""Writes a line: the kind (None: all others together), the latest sample of it, how often it came, and within how many seconds (0: now)."""


class Tally(Generic[K]):
    """Counts what is noted, and has `say` write a line where one is due. For the thread of the event loop; while nothing is noted it
    costs nothing."""

    def __init__(self, say: Say[K], *, seconds: float = INTERVAL) -> None:
        self._say = say
        self._seconds = seconds
        self._times: dict[K | None, int] = {}
        """Since the last lines. A kind with 0 came in the interval before: its next is no first one."""
        self._samples: dict[K | None, Any] = {}
        self._at_once = 0
        self._timer: asyncio.TimerHandle | None = None

    def note(self, kind: K, sample: Any = None, *, times: int = 1) -> None:
        """It happened. `sample` is told of the latest."""
        if self._timer is None:
            self._start_interval()
        if kind not in self._times:
            if self._at_once < AT_ONCE:
                self._at_once += 1
                self._times[kind] = 0
                self._say(kind, sample, times, 0.0)
                return
            if len(self._times) >= MOST_KINDS:
                self._count(None, None, times)
                return
        self._count(kind, sample, times)

    def close(self) -> None:
        """Tell what was not told yet."""
        if self._timer is not None:
            self._interval_over()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count(self, kind: K | None, sample: Any, times: int) -> None:
        self._times[kind] = self._times.get(kind, 0) + times
        self._samples[kind] = sample

    def _interval_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        others = self._times.pop(None, 0)
        came = sorted(
            ((times, kind) for kind, times in self._times.items() if times),
            key=lambda pair: pair[0],
            reverse=True,
        )
        for times, kind in came[:LARGEST]:
            self._say(kind, self._samples.get(kind), times, self._seconds)
        if others := others + sum(times for times, _ in came[LARGEST:]):
            self._say(None, None, others, self._seconds)
        self._times, self._samples, self._at_once = {kind: 0 for _, kind in came}, {}, 0
        if came:
            self._start_interval()

    def _start_interval(self) -> None:
        """Its lines are about many messages, so they bear the ids of none: not even of the one that is under way now."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, self._interval_over, context=Context())
