"""Failed authentications, counted by where they come from, so that guessing is seen and slowed. What is kept is bounded."""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, get_args

from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, SystemClock

log = get_logger(__name__)

WINDOW_SECONDS: Final = 60.0
"""A source's failures are counted from its first one for so long. Then they are logged in one line, and forgotten."""
FREE_FAILURES: Final = 20
"""So many failures of a source in a window are answered 401, and those that follow 429."""
MOST_SOURCES: Final = 10_000
"""So many sources are told apart at a time, in about 2 MB. More of them share one count, under the name `OTHERS`."""
OTHERS: Final = "others"
_MOST_LINES: Final = 100
"""So many lines are logged at once; the event loop turns before the next ones."""
_PAUSE_SECONDS: Final = 0.1

FailureReason = Literal["missing", "malformed", "unknown", "mismatch", "expired"]
"""Why a key was not accepted, for the metric. The caller is not told."""


@dataclass(slots=True)
class _Window:
    ends: float
    failures: int = 0


def _on_the_loop(seconds: float, call: Callable[[], None]) -> None:
    # In a context of its own: the line is about no single request.
    asyncio.get_running_loop().call_later(seconds, call, context=Context())


class FailedAuthentications:
    """The failures of one service's process. `call_later(seconds, function)` calls the function when so much time has passed."""

    def __init__(
        self,
        *,
        service: str,
        clock: Clock | None = None,
        call_later: Callable[[float, Callable[[], None]], None] = _on_the_loop,
        most_sources: int = MOST_SOURCES,
    ) -> None:
        self._service = service
        metrics.begin_at_zero(metrics.authentication_failures, [service], get_args(FailureReason))
        self._clock = clock or SystemClock()
        self._call_later = call_later
        self._most_sources = most_sources
        self._windows: dict[str, _Window] = {}  # the one that ends first stands first
        self._waking = False

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, source: str, reason: FailureReason) -> int | None:
        """Count one failure. Returns None while the source is to be told 401, else the seconds after which it may fail again."""
        self.note(reason)
        now = self._clock.monotonic()
        if source not in self._windows and len(self._windows) >= self._most_sources:
            source = OTHERS
        window = self._windows.get(source)
        if window is not None and window.ends <= now:
            self._close(source)
            window = None
        if window is None:
            window = self._windows[source] = _Window(ends=now + WINDOW_SECONDS)
            self._wake(WINDOW_SECONDS)
        window.failures += 1
        return None if window.failures <= FREE_FAILURES else math.ceil(window.ends - now)

    def note(self, reason: FailureReason) -> None:
        """For the metric alone: a failure of somebody who guesses nothing."""
        metrics.authentication_failures.labels(self._service, reason).inc()

    def is_slowed(self, source: str) -> bool:
        """Whether the source's next failure would be told to wait."""
        if source not in self._windows and len(self._windows) >= self._most_sources:
            source = OTHERS
        window = self._windows.get(source)
        return (
            window is not None and window.failures >= FREE_FAILURES and self._clock.monotonic() < window.ends
        )

    def _close(self, source: str) -> None:
        failures = self._windows.pop(source).failures
        log.warning("authentications failed", source=source, failures=failures, seconds=WINDOW_SECONDS)

    def _wake(self, seconds: float) -> None:
        """See to it that a window is closed, also when its source does not fail again."""
        if not self._waking:
            self._waking = True
            self._call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._waking = False
        now = self._clock.monotonic()
        for source, window in list(islice(self._windows.items(), _MOST_LINES)):
            if window.ends > now:
                break
            self._close(source)
        if self._windows:
            first = next(iter(self._windows.values()))
            self._wake(max(_PAUSE_SECONDS, first.ends - now))
