"""Batches of records into a table: rows and positions in one PostgreSQL transaction. Rows are made while they are copied."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from asyncpg import UniqueViolationError

from tocsin.database import Database
from tocsin.kafka import ConsumerRecord, InvalidRecordLimit, PartitionBatch, TopicPartition
from tocsin.ledger.day_partitions import DayPartitions
from tocsin.ledger.hung_owners import ending_hung_owners
from tocsin.ledger.storing_spans import tell_spans
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES, InvalidRecord, Row, Table, set_aside, stored_day
from tocsin.observability import metrics, tracing_on
from tocsin.projection import Positions, rows_touched
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints

_SLICE: Final = 200
"""Records whose rows are made and encoded before others get a turn on the event loop: about 2 ms."""

# Dead letters are numbered in the order in which they become visible, so that a reader who goes on from the last number that it saw
# misses none: who writes some holds this lock to the end of its transaction.
_NUMBER_IN_ORDER = "SELECT pg_advisory_xact_lock(hashtextextended('tocsin.ledger.dead_letters', 0))"
_PLACES = ", ".join(f"${number}" for number, _ in enumerate(DEAD_LETTERS.columns, start=1))
_SET_ASIDE = (
    f"INSERT INTO ledger.dead_letters ({', '.join(DEAD_LETTERS.columns)}) VALUES ({_PLACES}) "  # noqa: S608 - names from this package
    f"ON CONFLICT ({DEAD_LETTERS.key}) DO NOTHING"
)


class ProjectedTable:
    """`ProjectionStore` of one group: keeps its records as rows of `table`.

    A record that is not what its topic says becomes a dead letter of the ledger's own; too many of them stop consumption.
    """

    def __init__(
        self,
        *,
        database: Database,
        days: DayPartitions,
        group: str,
        lane: str,
        table: Table,
        clock: Clock,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._database = database
        self._days = days
        self._group = group
        self._positions = Positions(schema="ledger", group=group)
        self._table = table
        self._failpoints = failpoints
        self._limit = InvalidRecordLimit(group=group)
        self._clock = clock
        self._written = metrics.processed.labels("ledger", lane, "written")
        self._repeated = metrics.processed.labels("ledger", lane, "repeated")
        self._invalid = metrics.processed.labels("ledger", lane, "unreadable")
        self._age = metrics.ledger_delay_seconds.labels(lane)
        self._seconds = metrics.stage_seconds.labels("ledger", lane, "store")
        self._sizes = metrics.batch_records.labels("ledger", lane)

    async def load_positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions that this group has stored."""
        async with self._database.driver() as connection:
            return await self._positions.held(connection, partitions)

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        """Rows and positions, or neither. Raises OwnershipLost when another process has moved a position, and ConsumptionStopped
        when too many records are invalid."""
        began = perf_counter()
        records = [record for batch in batches for record in batch.records]
        rows = _RowsOf(records, self._table, self._failpoints, keep=self._table is STATUSES and tracing_on())
        await self._days.ensure(
            {stored_day(moment) for moment in {record.timestamp_ms for record in records}}
        )
        async with self._database.driver() as connection, connection.transaction():
            async with ending_hung_owners(self._database, connection):
                # Positions first: of two owners, the one that loses waits here, before its work and not after it.
                await self._positions.move(connection, batches)
                if self._table is DEAD_LETTERS:
                    await connection.execute(_NUMBER_IN_ORDER)
            copied_from = perf_counter()
            written = await self._insert(connection, rows)
            invalid = len(rows.invalid)
            self._limit.saw(valid=len(records) - invalid, invalid=invalid)
            if invalid:
                async with ending_hung_owners(self._database, connection):
                    await connection.execute(_NUMBER_IN_ORDER)
                await connection.executemany(_SET_ASIDE, rows.invalid)
            await self._failpoints.reach("before_rows_commit")
        await self._failpoints.reach("after_rows_commit")
        seconds = perf_counter() - began
        self._written.inc(written)
        self._repeated.inc(rows.made - written)
        self._invalid.inc(invalid)
        self._sizes.observe(rows.made)
        self._seconds.observe(seconds)
        if rows.kept:
            tell_spans(
                records,
                rows.kept,
                group=self._group,
                server=self._database.server,
                seconds=seconds,
                copying=perf_counter() - copied_from,
            )
        await self._observe_ages(records)

    async def _insert(self, connection: Any, rows: "_RowsOf") -> int:
        """How many rows were new. Nearly always all are: COPY into the table takes 9 µs of the database a row, through a temporary
        table 13.5. A batch with a row that stands already is taken back to the savepoint and goes the long way."""
        table = self._table
        try:
            async with connection.transaction():
                await connection.copy_records_to_table(
                    table.name, schema_name="ledger", records=rows.made_anew(), columns=table.columns
                )
        except UniqueViolationError:
            return await self._insert_what_is_new(connection, rows)
        return rows.made

    async def _insert_what_is_new(self, connection: Any, rows: "_RowsOf") -> int:
        """The same for rows of which some stand already. COPY takes no ON CONFLICT, so they pass through a temporary table."""
        table, columns = self._table, ", ".join(self._table.columns)
        await connection.execute(
            # With defaults, because a later release's migration may have added a column that is not in our list.
            f"CREATE TEMP TABLE IF NOT EXISTS incoming_{table.name} (LIKE ledger.{table.name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
        await connection.copy_records_to_table(
            f"incoming_{table.name}", schema_name="pg_temp", records=rows.made_anew(), columns=table.columns
        )
        inserted = await connection.execute(
            f"INSERT INTO ledger.{table.name} ({columns}) SELECT {columns} FROM pg_temp.incoming_{table.name} "  # noqa: S608 - names from this package
            f"ON CONFLICT ({table.key}) DO NOTHING"
        )
        return rows_touched(inserted)

    async def _observe_ages(self, records: Iterable[ConsumerRecord]) -> None:
        now = self._clock.time_ms()
        for number, record in enumerate(records, start=1):
            self._age.observe(max(0, now - record.timestamp_ms) / 1000)
            if number % _SLICE == 0:
                await asyncio.sleep(0)


class _RowsOf:
    """The rows of these records, made while they are copied. So each is encoded while the processor has it at hand, and PostgreSQL
    stores the first while the next are made: 20.9 µs a row by the clock before, 14.1 since."""

    def __init__(
        self, records: Sequence[ConsumerRecord], table: Table, failpoints: Failpoints, *, keep: bool
    ) -> None:
        self._records = records
        self._table = table
        self._failpoints = failpoints
        self._keep = keep
        self._begin()

    def _begin(self) -> None:
        self.made = 0
        """Rows so far."""
        self.kept: list[Row] = []
        """Those rows, where they are wanted afterwards."""
        self.invalid: list[Row] = []
        """The rows of `dead_letters` for what cannot be read, so far."""

    async def made_anew(self) -> AsyncIterator[Row]:
        """All rows, from the first record on."""
        self._begin()
        for start in range(0, len(self._records), _SLICE):
            rows = self._rows(self._records[start : start + _SLICE])
            for row in rows:
                yield row
            self.made += len(rows)
            if self._keep:
                self.kept += rows
            await self._failpoints.reach("while_rows_are_copied")
            await asyncio.sleep(0)

    def _rows(self, records: Iterable[ConsumerRecord]) -> list[Row]:
        rows: list[Row] = []
        for record in records:
            try:
                rows += self._table.rows_of(record)
            except InvalidRecord as error:
                self.invalid.append(set_aside(record, error, kind=self._table.kind))
        return rows
