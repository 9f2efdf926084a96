"""Items that have expired or are too old are removed, a few at a time; their boxes count them no longer."""

import asyncio
from datetime import datetime
from typing import Final

from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, every

log = get_logger(__name__)

SWEEP_SECONDS: Final = 60.0
SWEEP_ROWS: Final = 500
SWEEP_PAUSE: Final = 0.1
_TABLE: Final = "items"

_OLD: Final = """
SELECT tenant, recipient, id FROM inbox.items WHERE remove_at <= $1 ORDER BY remove_at LIMIT $2
"""
# In one order, as those who store items hold boxes.
_HOLD: Final = """
SELECT FROM inbox.boxes JOIN unnest($1::text[], $2::text[]) AS owner (tenant, recipient) USING (tenant, recipient)
ORDER BY tenant, recipient FOR UPDATE OF boxes
"""
_REMOVE: Final = """
WITH removed AS (
  DELETE FROM inbox.items AS item USING unnest($1::text[], $2::text[], $3::uuid[]) AS old (tenant, recipient, id)
  WHERE item.tenant = old.tenant AND item.recipient = old.recipient AND item.id = old.id AND item.remove_at <= $4
  RETURNING item.tenant, item.recipient, item.seen_at, item.read_at, item.archived_at
), fewer AS (
  SELECT tenant, recipient,
    count(*) FILTER (WHERE archived_at IS NULL AND seen_at IS NULL) AS unseen,
    count(*) FILTER (WHERE archived_at IS NULL AND read_at IS NULL) AS unread
  FROM removed GROUP BY tenant, recipient
), counted AS (
  UPDATE inbox.boxes AS box SET unseen = box.unseen - fewer.unseen, unread = box.unread - fewer.unread
  FROM fewer WHERE box.tenant = fewer.tenant AND box.recipient = fewer.recipient
)
SELECT count(*) FROM removed
"""


class Removing:
    """A sweep once a minute, in each process: two at once remove each item once."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._swept_at = clock.monotonic()
        self._deleted = metrics.expired_rows_deleted.labels(_TABLE)
        metrics.sweep_age_seconds.labels(_TABLE).set_function(self._age)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""

        async def sweep() -> None:
            await self.sweep(stop)

        await every(SWEEP_SECONDS, sweep, stop=stop)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Remove until nothing is left that is to go, or until stopped. While PostgreSQL is away items wait: nothing depends on it."""
        try:
            found = SWEEP_ROWS
            while found == SWEEP_ROWS and not stop.is_set():
                found, removed = await self.remove(self._clock.now(), at_most=SWEEP_ROWS)
                self._deleted.inc(removed)
                await asyncio.sleep(SWEEP_PAUSE)  # new items come first
            if found < SWEEP_ROWS:
                self._swept_at = self._clock.monotonic()
        except AWAY as error:
            log.warning("expired items wait", reason=type(error).__name__)

    async def remove(self, now: datetime, *, at_most: int) -> tuple[int, int]:
        """Remove some of those that are to go: how many were found, and how many this call removed."""
        async with self._database.driver("DELETE inbox.items") as connection:
            old = await connection.fetch(_OLD, now, at_most)
            if not old:
                return 0, 0
            boxes = sorted({(row["tenant"], row["recipient"]) for row in old})
            async with connection.transaction():
                await connection.execute(_HOLD, [box[0] for box in boxes], [box[1] for box in boxes])
                removed: int = await connection.fetchval(
                    _REMOVE,
                    [row["tenant"] for row in old],
                    [row["recipient"] for row in old],
                    [row["id"] for row in old],
                    now,
                )
        return len(old), removed

    def _age(self) -> float:
        """Asked by `/metrics` in a thread: reads one number."""
        return self._clock.monotonic() - self._swept_at
