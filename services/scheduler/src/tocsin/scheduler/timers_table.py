"""The rows of one lane's timers: what was set, hurried, erased and fired, in the order in which the log says so.

Rows and positions move in one PostgreSQL transaction. What a batch says is applied by one statement for each kind; where the order
of two kinds matters, statements compare offsets.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database
from tocsin.kafka import PartitionBatch, TopicPartition
from tocsin.projection import Positions, rows_touched
from tocsin.runtime import NO_FAILPOINTS, Failpoints
from tocsin.scheduler.migrations import SCHEMA
from tocsin.scheduler.one_prefix import require_own_positions
from tocsin.scheduler.timers_log import Said, stored_at

HURRY_LIVES: Final = timedelta(minutes=10)
"""News wakes a timer that is set so long after it, by the broker's clock."""

_SET: Final = """
INSERT INTO scheduler.timers
  (lane, kafka_partition, kafka_offset, set_at, id, due, tenant, recipient, notification_id, wakes_on, topic, key, record, traceparent)
SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::timestamptz[], $5::uuid[], $6::timestamptz[], $7::text[], $8::text[], $9::uuid[],
  $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::text[])
ON CONFLICT DO NOTHING
"""
_HURRY: Final = """
UPDATE scheduler.timers t SET hurried = true, due = LEAST(t.due, h.at)
FROM unnest($2::int[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[]) AS h (kafka_partition, kafka_offset, notification_id, step, at)
WHERE t.lane = $1 AND t.kafka_partition = h.kafka_partition AND t.notification_id = h.notification_id AND t.wakes_on = h.step
  AND t.kafka_offset < h.kafka_offset
RETURNING h.kafka_partition, h.kafka_offset
"""
_KEEP_HURRIES: Final = """
INSERT INTO scheduler.hurries (lane, kafka_partition, kafka_offset, notification_id, step, at)
SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[])
ON CONFLICT DO NOTHING
"""
# A timer of this batch meets what was hurried before it was set; that is used up, however often it was said.
_MEET: Final = """
WITH met AS (
  DELETE FROM scheduler.hurries h USING scheduler.timers t
  WHERE h.lane = $1 AND t.lane = $1 AND t.kafka_partition = h.kafka_partition AND t.id = ANY($2::uuid[])
    AND t.notification_id = h.notification_id AND t.wakes_on = h.step AND h.kafka_offset < t.kafka_offset AND h.at >= t.set_at - $3::interval
  RETURNING t.kafka_partition, t.id, h.at
)
UPDATE scheduler.timers t SET hurried = true, due = LEAST(t.due, met.at)
FROM met WHERE t.lane = $1 AND t.kafka_partition = met.kafka_partition AND t.id = met.id
RETURNING t.due
"""
_FORGET_HURRIES: Final = """
DELETE FROM scheduler.hurries h USING unnest($2::int[], $3::timestamptz[]) AS newest (kafka_partition, at)
WHERE h.lane = $1 AND h.kafka_partition = newest.kafka_partition AND h.at < newest.at - $4::interval
"""
_ERASE: Final = """
DELETE FROM scheduler.timers t USING unnest($2::int[], $3::bigint[], $4::text[], $5::text[]) AS e (kafka_partition, kafka_offset, tenant, recipient)
WHERE t.lane = $1 AND t.tenant = e.tenant AND t.recipient = e.recipient AND t.kafka_partition = e.kafka_partition
  AND t.kafka_offset < e.kafka_offset
"""
_FIRED: Final = """
DELETE FROM scheduler.timers t USING unnest($2::int[], $3::uuid[]) AS f (kafka_partition, id)
WHERE t.lane = $1 AND t.kafka_partition = f.kafka_partition AND t.id = f.id
"""
# Each partition is read on from its place by the index, so that neither what was fired and still has its row nor the dead rows before it are
# looked at again.
_DUE: Final = """
SELECT kafka_partition, kafka_offset, id::text, due, hurried, topic, key, record, traceparent, notification_id::text FROM (
  SELECT t.*, sum(octet_length(t.record)) OVER (
    ORDER BY t.due, t.kafka_partition, t.kafka_offset ROWS UNBOUNDED PRECEDING) - octet_length(t.record) AS bytes_before
  FROM unnest($2::int[], $3::timestamptz[], $4::bigint[]) AS place (kafka_partition, due, kafka_offset)
  CROSS JOIN LATERAL (
    SELECT * FROM scheduler.timers w
    WHERE w.lane = $1 AND w.kafka_partition = place.kafka_partition AND (w.due, w.kafka_offset) > (place.due, place.kafka_offset) AND w.due <= $5
    ORDER BY w.due, w.kafka_offset LIMIT $6
  ) t ORDER BY t.due, t.kafka_partition, t.kafka_offset LIMIT $6
) oldest WHERE bytes_before < $7 ORDER BY due, kafka_partition, kafka_offset
"""
_COUNT: Final = "SELECT count(*) FROM scheduler.timers WHERE lane = $1 AND kafka_partition = ANY($2::int[])"
_NEXT: Final = """
SELECT min(t.due) FROM unnest($2::int[], $3::timestamptz[], $4::bigint[]) AS place (kafka_partition, due, kafka_offset)
CROSS JOIN LATERAL (
  SELECT due FROM scheduler.timers w
  WHERE w.lane = $1 AND w.kafka_partition = place.kafka_partition AND (w.due, w.kafka_offset) > (place.due, place.kafka_offset)
  ORDER BY w.due, w.kafka_offset LIMIT 1
) t
"""


class FiringPosition(NamedTuple):
    """How far a partition's timers were fired, in the order in which they are due."""

    due: datetime
    offset: int


BEGINNING: Final = FiringPosition(datetime.min.replace(tzinfo=UTC), -(2**63))
"""Before every timer. Those adopted from another topic prefix have offsets below 0."""


class DueTimer(NamedTuple):
    """A timer to fire."""

    partition: int
    offset: int
    id: str
    due: datetime
    hurried: bool
    topic: str
    key: bytes
    record: bytes
    traceparent: str | None
    notification_id: str


class Kept(NamedTuple):
    """What a batch has changed."""

    earliest: datetime | None
    """Nothing that was set or hurried is due before; None where nothing was."""
    more: int
    """So many rows are there more than before."""


class TimersTable:
    """The rows of one lane's group; its `load_positions` and `apply` are those of a `ProjectionStore`."""

    def __init__(
        self, *, database: Database, group: str, lane: Lane, failpoints: Failpoints = NO_FAILPOINTS
    ) -> None:
        self._database = database
        self._lane = lane.value
        self._group = group
        self._positions = Positions(schema=SCHEMA, group=group)
        self._failpoints = failpoints

    async def load_positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions that this group has stored. Raises OperatorError when the timers belong to another topic prefix by now: whoever was frozen
        while they were moved asks here before it goes on."""
        async with self._database.driver() as connection:
            await require_own_positions(connection, self._group, self._lane)
            return await self._positions.held(connection, partitions)

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        """Positions alone: a person has accepted that records are lost."""
        await self.keep(batches, Said())

    async def keep(self, batches: Sequence[PartitionBatch], said: Said) -> Kept:
        """The rows of what `said` holds, and the positions of the batches, or neither. Raises OwnershipLost when another process has
        moved a position."""
        async with self._database.driver() as connection, connection.transaction():
            # Positions first: of two owners, the one that loses waits here, before its work and not after it.
            await self._positions.move(connection, batches)
            more = await self._set(connection, said)
            woken = await self._hurry(connection, said, batches)
            more -= await self._delete(connection, said)
            await self._failpoints.reach("before_rows_commit")
        await self._failpoints.reach("after_rows_commit")
        moments = [timer.due for _, timer in said.set] + [stored_at(record) for record, _ in said.hurried]
        return Kept(min(moments + woken, default=None), more)

    async def count(self, partitions: Collection[int]) -> int:
        """How many there are. It reads them all."""
        async with self._database.driver() as connection:
            return int(await connection.fetchval(_COUNT, self._lane, list(partitions)))

    async def due(
        self, places: Mapping[int, FiringPosition], *, now: datetime, at_most: int, most_bytes: int
    ) -> list[DueTimer]:
        """Those that are due now, behind the place of each partition, the oldest first. The records before the last one have less than
        `most_bytes` together, so that there always is one."""
        async with self._database.driver() as connection:
            rows = await connection.fetch(_DUE, self._lane, *_by_column(places), now, at_most, most_bytes)
        return [DueTimer(*row) for row in rows]

    async def next_due(self, places: Mapping[int, FiringPosition]) -> datetime | None:
        """When the next one is due behind the place of each partition; None where there is none."""
        async with self._database.driver() as connection:
            due: datetime | None = await connection.fetchval(_NEXT, self._lane, *_by_column(places))
        return due

    async def _set(self, connection: Any, said: Said) -> int:
        """How many are new."""
        if not said.set:
            return 0
        rows = [
            (
                record.partition, record.offset, stored_at(record), timer.id, timer.due, timer.tenant, timer.recipient, timer.notification_id,
                timer.wakes_on, timer.topic, record.key, bytes(timer.private.record), timer.traceparent,
            )
            for record, timer in said.set
        ]  # fmt: skip
        return rows_touched(await connection.execute(_SET, self._lane, *_columns(rows)))

    async def _hurry(self, connection: Any, said: Said, batches: Sequence[PartitionBatch]) -> list[datetime]:
        """What is hurried is due; what nobody waits for yet is kept for whoever comes; then whoever came meets what was kept: when those are
        due now."""
        waiting = [timer.id for _, timer in said.set if timer.wakes_on is not None]
        woken: list[datetime] = []
        if not (said.hurried or waiting):
            return woken
        if said.hurried:
            news = [
                (record.partition, record.offset, timer.notification_id, timer.step, stored_at(record))
                for record, timer in said.hurried
            ]
            met = {tuple(row) for row in await connection.fetch(_HURRY, self._lane, *_columns(news))}
            if early := [row for row in news if row[:2] not in met]:
                await connection.execute(_KEEP_HURRIES, self._lane, *_columns(early))
        if waiting:
            woken = [row[0] for row in await connection.fetch(_MEET, self._lane, waiting, HURRY_LIVES)]
        newest = [
            (batch.partition.partition, stored_at(batch.records[-1])) for batch in batches if batch.records
        ]
        await connection.execute(_FORGET_HURRIES, self._lane, *_columns(newest), HURRY_LIVES)
        return woken

    async def _delete(self, connection: Any, said: Said) -> int:
        """How many are gone."""
        gone = 0
        if said.erased:
            erased = [
                (record.partition, record.offset, timer.tenant, timer.recipient)
                for record, timer in said.erased
            ]
            gone += rows_touched(await connection.execute(_ERASE, self._lane, *_columns(erased)))
        if said.fired:
            fired = [(record.partition, end.id) for record, end in said.fired]
            gone += rows_touched(await connection.execute(_FIRED, self._lane, *_columns(fired)))
        return gone


def _by_column(places: Mapping[int, FiringPosition]) -> list[list[Any]]:
    return _columns([(partition, *place) for partition, place in places.items()])


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
