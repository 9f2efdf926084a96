"""Deliveries that nobody ended: a job went out, its message's time has passed, and no status says what became of it. And what was
scheduled and never decided: of that the notification itself is awaited, until its time has passed after it was due.

`unended` finds them. `OverdueSweep` asks it about each stretch of time once, keeps what it finds in `ledger.overdue`, and forgets a
delivery when its end comes late. So a sweep costs what has expired since the last one, not what is stored.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, every

log = get_logger(__name__)

PERIOD: Final = 30.0
GRACE: Final = timedelta(seconds=60)
"""A dispatcher writes `expired` when it comes to the job, and the ledger reads it a moment later."""
STEP: Final = timedelta(minutes=10)
"""What one transaction looks at, so that catching up after a long time away takes many short ones."""
_OLDEST: Final = timedelta(seconds=MESSAGE_LIFE_SECONDS)

# The subquery is evaluated for each delivery (OFFSET 0), by the index of one notification: PostgreSQL would otherwise be free to read
# whole days of statuses. The days leave out older partitions: what is awaited ends after it was decided. A delivery that was re-driven
# had an end before: only one that came since counts. What ended a notification that waited was stored after its decision: offsets alone do
# not tell, for the installation may have moved to another topic prefix meanwhile. Nor does time alone: a new leader's clock may be behind.
_ENDED = """
  SELECT 1 FROM ledger.statuses s WHERE s.notification_id = {row}.notification_id AND s.day >= {row}.day AND s.origin = {row}.origin
  AND ({redriven_at} IS NULL OR s.stored_at >= {redriven_at})
  AND (s.delivery_id = {awaited} AND s.final OR {awaited} = {row}.notification_id AND s.delivery_id IS NULL
    AND (s.final OR s.again = 'turn') AND (s.stored_at > {decided_at}
      OR s.kafka_offset > {row}.kafka_offset AND s.stored_at > {decided_at} - interval '1 minute')) OFFSET 0"""
_DECIDED_AT = """(
  SELECT max(d.stored_at) FROM ledger.statuses d WHERE d.notification_id = o.notification_id AND d.day = o.day AND d.lane = o.lane
  AND d.kafka_partition = o.kafka_partition AND d.kafka_offset = o.kafka_offset)"""
_REDRIVEN_AT = "CASE WHEN d.again = 'redrive' THEN d.stored_at END"
_UNENDED = f"""
SELECT d.lane, d.kafka_partition, d.kafka_offset, d.tenant, d.notification_id, awaited.delivery_id, d.origin, d.day,
  {_REDRIVEN_AT} AS redriven_at, d.expires_at
FROM ledger.statuses d CROSS JOIN LATERAL unnest(d.awaited) AS awaited (delivery_id)
WHERE d.awaited IS NOT NULL AND d.expires_at > $2 AND d.expires_at <= $3
  AND d.lane = $1 AND ($4::int[] IS NULL OR d.kafka_partition = ANY($4))
  AND NOT EXISTS ({_ENDED.format(row="d", awaited="awaited.delivery_id", redriven_at=_REDRIVEN_AT, decided_at="d.stored_at")})
"""  # noqa: S608 - statements from this file
_COLUMNS = "lane, kafka_partition, kafka_offset, tenant, notification_id, delivery_id, origin, day, redriven_at, expires_at"
_KEEP = f"INSERT INTO ledger.overdue ({_COLUMNS}) {_UNENDED} ON CONFLICT DO NOTHING RETURNING tenant, notification_id, delivery_id"
_FORGET = f"""
DELETE FROM ledger.overdue o WHERE o.lane = $1 AND o.kafka_partition = ANY($2)
  AND (o.day < $3 OR EXISTS ({_ENDED.format(row="o", awaited="o.delivery_id", redriven_at="o.redriven_at", decided_at=_DECIDED_AT)}))
"""  # noqa: S608 - statements from this file
_UP_TO = "SELECT kafka_partition, up_to FROM ledger.swept WHERE lane = $1 AND kafka_partition = ANY($2)"
_NEXT = "SELECT min(expires_at) FROM ledger.statuses WHERE awaited IS NOT NULL AND expires_at > $1"
_MOVE = """
INSERT INTO ledger.swept (lane, kafka_partition, up_to) SELECT $1, number, $3 FROM unnest($2::int[]) AS number
ON CONFLICT (lane, kafka_partition) DO UPDATE SET up_to = greatest(swept.up_to, excluded.up_to)
"""
_COUNT = "SELECT lane, count(DISTINCT notification_id) FROM ledger.overdue GROUP BY lane"


ReadUntil = Callable[[], Mapping[int, datetime]]
"""Up to when the records of each partition held are rows by now."""


async def unended(
    connection: Any, lane: Lane, *, after: datetime, until: datetime, partitions: Sequence[int] | None = None
) -> list[Any]:
    """The deliveries of the lane whose message expires after `after` and not later than `until`, and which have no end: rows with
    `tenant`, `notification_id`, `delivery_id` and more. Without `partitions` of all. Of what was scheduled and never decided, the id of
    the notification stands in the place of a delivery's."""
    rows: list[Any] = await connection.fetch(_UNENDED, lane, after, until, partitions)
    return rows


class OverdueSweep:
    """A component: every 30 s it looks at what has expired since, in the partitions that this process has read far enough."""

    name: Final = "sweep of what nobody ended"

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        read_until: Mapping[Lane, ReadUntil],
        retention_days: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._read_until = read_until
        self._retention = timedelta(days=retention_days)

    async def open(self) -> None:
        """Nothing to do: the first sweep comes with the first period."""

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop`."""
        await every(PERIOD, self._look, stop=stop)

    async def close(self) -> None:
        """Nothing to do: no connection is held."""

    async def _look(self) -> None:
        try:
            await self.sweep()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # The database has a readiness check of its own, and the next sweep begins where this one ended.
            log.warning("not swept; trying again later", error=type(error).__name__)

    async def sweep(self) -> None:
        """Look at all that has expired up to a minute ago, forget what has ended meanwhile, and tell the metric."""
        until = self._clock.now() - GRACE
        for lane, read_until in self._read_until.items():
            ready = sorted(number for number, moment in read_until().items() if moment >= until)
            if ready:
                await self._sweep_lane(lane, ready, until)
        async with self._database.driver() as connection:
            counts = dict(await connection.fetch(_COUNT))
        for lane in Lane:
            metrics.overdue_notifications.labels(lane).set(counts.get(lane.value, 0))

    async def _sweep_lane(self, lane: Lane, partitions: Sequence[int], until: datetime) -> None:
        async with self._database.driver() as connection:
            held = dict(await connection.fetch(_UP_TO, lane, partitions))
            begin = min([held.get(number, until - _OLDEST) for number in partitions])
            while begin < until:
                end = await self._end_of_step(connection, begin, until)
                async with connection.transaction():
                    await self._note(lane, await connection.fetch(_KEEP, lane, begin, end, partitions))
                    await connection.execute(_MOVE, lane, partitions, end)
                begin = end
            await connection.execute(_FORGET, lane, partitions, (until - self._retention).date())

    async def _end_of_step(self, connection: Any, begin: datetime, until: datetime) -> datetime:
        """Time in which nothing expired is passed over at once."""
        first: datetime | None = await connection.fetchval(_NEXT, begin)
        return until if first is None else min(first + STEP, until)

    async def _note(self, lane: Lane, rows: Collection[Any]) -> None:
        for row in rows:
            log.warning(
                "past its expiry and nobody ended it",
                lane=lane.value,
                tenant=row["tenant"],
                notification_id=str(row["notification_id"]),
                delivery_id=str(row["delivery_id"]),
            )
