"""A line when a readiness check stops passing, and one when it passes again: the state changes of a process's lanes, copies and connections.

What passes again within `PATIENCE` is not told: each rebalance would be two lines for each lane.
"""

import asyncio
from typing import Final, NoReturn

from tocsin.observability import get_logger
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

log = get_logger(__name__)

LOOK_EVERY: Final = 1.0
PATIENCE: Final = 5.0
"""Seconds."""


class ReadinessLines:
    """What was said of the checks of one process."""

    def __init__(self, health: Health, *, clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._since: dict[str, float] = {}
        """When each check that does not pass was first seen so."""
        self._said: set[str] = set()

    async def run(self) -> NoReturn:
        """Look once a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Say what has changed."""
        now = self._clock.monotonic()
        for name, reason in self._health.reasons().items():
            if reason is not None:
                since = self._since.setdefault(name, now)
                if name not in self._said and now - since >= PATIENCE:
                    self._said.add(name)
                    log.warning("not ready", check=name, reason=reason)
            elif (since_then := self._since.pop(name, None)) is not None and name in self._said:
                self._said.remove(name)
                log.warning("ready again", check=name, seconds=round(now - since_then, 1))
