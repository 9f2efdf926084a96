"""What topic `stops` may forget: versions raised so long ago that no job decided before can still be sent.

Every dispatcher holds all of `stops` in memory, so an entry ends when it has done its work. The row stays in the table, because
a version never counts down; only its record ends. It ends like any other change: the outbox names it, and the relay, which finds
nothing to publish of it, writes a tombstone.
"""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.stops import FORGET_AFTER_MS
from tocsin.database.reach import AWAY
from tocsin.observability import get_logger, metrics
from tocsin.router.tables import Turn
from tocsin.runtime import Clock, every

log = get_logger(__name__)

EVERY: Final = 60.0
"""Seconds between two looks for what is old enough."""
AT_ONCE: Final = 200
"""As many as the relay takes from the outbox at once: what is urgent waits for one round of it at most."""
PAUSE: Final = 0.5
"""Seconds between two such portions."""

# A version that is raised at this moment is locked, and skipped; raised after this, it has a row in the outbox of its own, and the
# relay publishes it as it then stands.
_FORGET: Final = text(
    f"""
    WITH old AS (
        SELECT tenant, recipient FROM directory.recipient_versions
        WHERE on_stops AND raised_at < :before AND NOT EXISTS (
            SELECT 1 FROM directory.outbox WHERE turn IN ({Turn.RIGHTS:d}, {Turn.IMPORTED_RIGHTS:d})
        )
        ORDER BY raised_at LIMIT :at_most FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        UPDATE directory.recipient_versions AS versions SET on_stops = false FROM old
        WHERE versions.tenant = old.tenant AND versions.recipient = old.recipient
        RETURNING versions.tenant, versions.recipient
    )
    INSERT INTO directory.outbox (kind, tenant, key, turn)
    SELECT 'recipient_version', tenant, ARRAY[recipient], {Turn.IMPORTED_RIGHTS:d} FROM forgotten
    """  # noqa: S608 - the turns are the table's own constants
)


async def forget_old_versions(engine: AsyncEngine, clock: Clock, stop: asyncio.Event) -> None:
    """Until `stop`, queue the end of old records, a portion at a time and behind all that is urgent."""

    async def sweep() -> None:
        try:
            forgotten = AT_ONCE
            while forgotten == AT_ONCE and not stop.is_set():
                forgotten = await forget(engine, clock)
                await asyncio.sleep(PAUSE)
        except AWAY as error:
            log.warning("old versions wait to be forgotten", reason=type(error).__name__)

    await every(EVERY, sweep, stop=stop)


async def forget(engine: AsyncEngine, clock: Clock) -> int:
    """Queue the end of at most `AT_ONCE` records; how many it were. None while anything urgent waits to be published."""
    before = clock.now() - timedelta(milliseconds=FORGET_AFTER_MS)
    async with engine.begin() as db:
        count = (await db.execute(_FORGET, {"before": before, "at_most": AT_ONCE})).rowcount
    metrics.versions_forgotten.inc(count)
    return count
