"""Records that cannot be read on topics only Tocsin writes: a few are set aside, many mean a broken release."""

import asyncio
from collections import deque
from typing import Final

from tocsin.observability import get_logger
from tocsin.runtime import Check, Clock, OperatorError

log = get_logger(__name__)

WINDOW_SECONDS: Final = 60.0
LEAST: Final = 10
"""Fewer unreadable records than this are never many."""
HOLD_SECONDS: Final = 20.0
"""How long the process stands still with its readiness failed, for all to see, before it ends and begins again."""
SHARE: Final = 0.05


class BrokenRelease(OperatorError):
    """Too many records of our own cannot be read: roll the release back, or forward."""


class PoisonWatch:
    """Counts what of a lane's intents could be read within the last minute."""

    def __init__(self, *, topic: str, check: Check, clock: Clock, hold: float = HOLD_SECONDS) -> None:
        self._topic = topic
        self._check = check
        self._clock = clock
        self._hold = hold
        self._seen: deque[tuple[float, int, int]] = deque()
        check.ready()

    async def saw(self, *, records: int, unreadable: int) -> None:
        """One batch. Raises BrokenRelease, with readiness failed, when more than the share could not be read."""
        if not records:
            return
        now = self._clock.monotonic()
        self._seen.append((now, records, unreadable))
        while self._seen[0][0] < now - WINDOW_SECONDS:
            self._seen.popleft()
        if not unreadable:
            return
        total = sum(count for _, count, _ in self._seen)
        poison = sum(count for _, _, count in self._seen)
        if poison >= LEAST and poison > total * SHARE:
            said = (
                f"{poison} of the last {total} records of {self._topic} cannot be read: "
                "a broken release writes them, or this one is older than they are; change the release."
            )
            self._check.unready(said)
            log.error("consumption stopped", reason=said)
            await asyncio.sleep(self._hold)
            raise BrokenRelease(said)
