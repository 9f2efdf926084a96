"""One timer for many wishes: it rings at the earliest."""

import asyncio
from collections.abc import Callable
from typing import Final

SHORTEST_WAIT: Final = 0.001
"""Seconds. Of a higher rate several messages go out at once."""


class EarliestTimer:
    """Calls ``ring`` once, at the earliest moment that was asked for since it last did."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Ring in so many seconds at the latest."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(seconds, SHORTEST_WAIT)
        if self._handle is not None:
            if self._handle.when() <= at:
                return
            self._handle.cancel()
        self._handle = loop.call_at(at, self._now)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _now(self) -> None:
        self._handle = None
        self._ring()
