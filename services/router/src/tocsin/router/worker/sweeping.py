"""Deletes rows whose time has passed, a few at a time, and shows how far it is."""

import asyncio
from typing import Final, Protocol

from tocsin.database.reach import AWAY
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, every

log = get_logger(__name__)

SWEEP_SECONDS: Final = 60.0
SWEEP_ROWS: Final = 1_000
SWEEP_PAUSE: Final = 0.1


class DeleteExpired(Protocol):
    """`Claims.delete_expired`, or that of another table."""

    async def __call__(self, *, at_most: int) -> int:
        """Delete some rows whose time has passed; how many it were."""
        ...


class Sweeper:
    """Of one table. While the database is away its rows wait: nothing depends on it."""

    def __init__(self, table: str, delete_expired: DeleteExpired, *, clock: Clock) -> None:
        self._delete_expired = delete_expired
        self._clock = clock
        self._swept_at = clock.monotonic()
        self._deleted = metrics.expired_rows_deleted.labels(table)
        metrics.sweep_age_seconds.labels(table).set_function(self._age)

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep once a minute, until stopped."""

        async def sweep() -> None:
            await self.sweep(stop)

        await every(SWEEP_SECONDS, sweep, stop=stop)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Delete until nothing expired is left, or until stopped."""
        try:
            deleted = SWEEP_ROWS
            while deleted == SWEEP_ROWS and not stop.is_set():
                deleted = await self._delete_expired(at_most=SWEEP_ROWS)
                self._deleted.inc(deleted)
                await asyncio.sleep(SWEEP_PAUSE)  # the batches of the lanes come first
            if deleted < SWEEP_ROWS:
                self._swept_at = self._clock.monotonic()
        except AWAY as error:
            log.warning("expired rows wait", reason=type(error).__name__)

    def _age(self) -> float:
        """Asked by `/metrics` in a thread: reads one number."""
        return self._clock.monotonic() - self._swept_at
