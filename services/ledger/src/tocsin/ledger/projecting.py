"""Batches of records into rows: rows and positions in one PostgreSQL transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from tocsin.database import Database
from tocsin.kafka import InvalidRecordLimit, PartitionBatch, Record, TopicPartition
from tocsin.ledger import dead_letter_rows, status_rows
from tocsin.ledger.days import Days
from tocsin.ledger.positions import held_positions, move_positions
from tocsin.ledger.spans import record_stored
from tocsin.observability import metrics
from tocsin.runtime import Clock

_SLICE: Final = 250
"""Rows made before others get a turn on the event loop: about 2 ms."""

Row = tuple[Any, ...]
Failpoint = Callable[[], Awaitable[None]]


async def _go_on() -> None:
    """What production does between rows and commit: nothing."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a topic's records become."""

    table: str
    columns: tuple[str, ...]
    row_of: Callable[[Record], Row]
    unreadable: type[Exception]
    conflict: str
    """Columns under which a row stands once."""


STATUSES: Final = Kind(
    table="statuses",
    columns=status_rows.COLUMNS,
    row_of=status_rows.row_of,
    unreadable=status_rows.StatusUnreadable,
    conflict="day, status_id",
)
DEAD_LETTERS: Final = Kind(
    table="dead_letters",
    columns=dead_letter_rows.COLUMNS,
    row_of=dead_letter_rows.row_of,
    unreadable=dead_letter_rows.DeadLetterUnreadable,
    conflict="day, kafka_topic, kafka_partition, kafka_offset",
)
_UNREADABLE = """
INSERT INTO ledger.unreadable (kafka_topic, kafka_partition, kafka_offset, stored_at, reason, key, value)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""


class ProjectedTable:
    """`ProjectionStore` of one group. A record that is not what its topic says is kept apart; too many stop consumption."""

    def __init__(
        self,
        *,
        database: Database,
        days: Days,
        group: str,
        lane: str,
        kind: Kind,
        clock: Clock,
        before_commit: Failpoint = _go_on,
    ) -> None:
        self._database = database
        self._days = days
        self._group = group
        self._kind = kind
        self._lane = lane
        self._before_commit = before_commit
        self._invalid = InvalidRecordLimit(group=group)
        self._clock = clock
        self._written = metrics.processed.labels("ledger", lane, "written")
        self._repeated = metrics.processed.labels("ledger", lane, "repeated")
        self._apart = metrics.processed.labels("ledger", lane, "unreadable")
        self._age = metrics.message_age_seconds.labels("ledger", lane)
        self._seconds = metrics.stage_seconds.labels("ledger", lane, "store")
        self._sizes = metrics.batch_records.labels("ledger", lane)

    async def load_positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions this group has stored."""
        async with self._database.driver() as connection:
            return await held_positions(connection, self._group, partitions)

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        """Rows and positions, or neither. OwnershipLost when another process moved a position; ConsumptionStopped when too
        many records are invalid."""
        began = perf_counter()
        records = [record for batch in batches for record in batch.records]
        rows, unreadable = await self._rows(records)
        self._invalid.saw(valid=len(rows), invalid=len(unreadable))
        await self._days.ensure({status_rows.day_of(row) for row in rows})
        async with self._database.driver() as connection, connection.transaction():
            await move_positions(
                connection, self._group, batches
            )  # first: a loser waits here, not after its work
            written = await self._insert(connection, rows)
            if unreadable:
                await connection.executemany(_UNREADABLE, unreadable)
            await self._before_commit()
        self._written.inc(written)
        self._repeated.inc(len(rows) - written)
        self._apart.inc(len(unreadable))
        self._sizes.observe(len(rows))
        seconds = perf_counter() - began
        self._seconds.observe(seconds)
        if self._kind is STATUSES:
            record_stored(rows, seconds=seconds, lane=self._lane)
        await self._show_ages(records)

    async def _show_ages(self, records: Iterable[Record]) -> None:
        now = self._clock.time_ms()
        for place, record in enumerate(records, start=1):
            self._age.observe(max(0, now - record.timestamp_ms) / 1000)
            if place % _SLICE == 0:
                await asyncio.sleep(0)

    async def _rows(self, records: Iterable[Record]) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        unreadable: list[Row] = []
        for place, record in enumerate(records, start=1):
            try:
                rows.append(self._kind.row_of(record))
            except self._kind.unreadable as error:
                unreadable.append(_kept_apart(record, str(error)))
            if place % _SLICE == 0:
                await asyncio.sleep(0)
        return rows, unreadable

    async def _insert(self, connection: Any, rows: Sequence[Row]) -> int:
        """How many rows were new. COPY takes no ON CONFLICT, so the rows pass through a table of this connection's own."""
        if not rows:
            return 0
        kind, columns = self._kind, ", ".join(self._kind.columns)
        await connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS incoming_{kind.table} (LIKE ledger.{kind.table}) ON COMMIT DELETE ROWS"
        )
        await connection.copy_records_to_table(
            f"incoming_{kind.table}", schema_name="pg_temp", records=rows, columns=kind.columns
        )
        tag = await connection.execute(
            f"INSERT INTO ledger.{kind.table} ({columns}) SELECT {columns} FROM pg_temp.incoming_{kind.table} "  # noqa: S608 - names from this package
            f"ON CONFLICT ({kind.conflict}) DO NOTHING"
        )
        return int(tag.rsplit(" ", 1)[1])


def _kept_apart(record: Record, reason: str) -> Row:
    return (
        record.topic,
        record.partition,
        record.offset,
        status_rows.stored_at(record),
        reason,
        record.key,
        record.value,
    )
