"""The one who works on re-drives: of all ledgers the one that holds the lock, a page of each open re-drive at a time.

A page is stored in PostgreSQL first, with how far the re-drive has come; then its records are written to Kafka; then it is counted.
Who dies in between leaves a page that is written again. The router claims each record as it claims events, so twice is once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.topics import Topics
from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.kafka import KafkaFault, KafkaSettings, Limits, ProducerRecord, Publisher, RecordReader
from tocsin.ledger.redrive_records import RedriveRecords
from tocsin.ledger.redrive_selection import encode_place, next_query, page_query
from tocsin.ledger.redrives import StoredRedrive, redrive_of, row_of
from tocsin.observability import get_logger, metrics
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints, PrefixedFailpoints

log = get_logger(__name__)

MOST_IN_A_PAGE: Final = 200
AT_ONCE: Final = 20
"""Records read and written together: an event may take a mebibyte."""
IDLE: Final = 0.5
"""Seconds between two looks for open re-drives."""
AFTER_FAULT: Final = 10.0
"""Seconds until a re-drive is gone on with whose page could not be written."""
STANDBY: Final = 1.0
"""Seconds between two attempts to become the one that works."""
WRITE_SECONDS: Final = 20.0
SWEEP_SECONDS: Final = 600.0
OPEN_STATES: Final = ("running", "paused")

_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtextextended('tocsin.ledger.redrives', 0))")
_SHORT_LIVED: Final = {
    "idle_session_timeout": "60s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "6s",
}
"""PostgreSQL ends the session of a ledger that is frozen or whose host is lost, so that it does not keep the lock."""
_SETTING: Final = text("SELECT set_config(:name, :value, false)")
_OPEN: Final = text("SELECT * FROM ledger.redrives WHERE state = 'running' OR pending ORDER BY number")
_COUNTS: Final = text(
    "SELECT state, count(*) AS open FROM ledger.redrives WHERE state IN ('running', 'paused') GROUP BY state"
)
_SAME_PAGE: Final = text(
    "SELECT 1 FROM ledger.redrives WHERE id = CAST(:id AS uuid) AND state = 'running' AND page = :page AND NOT pending FOR UPDATE"
)
_REDRIVEN: Final = text(
    "INSERT INTO ledger.redriven (id, day, redrive, page) SELECT id, day, CAST(:redrive AS uuid), :page "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[])) AS found(id, day) ON CONFLICT DO NOTHING"
)
_STORED: Final = text(
    "UPDATE ledger.redrives SET page = :page, pending = true, place = :place WHERE id = CAST(:id AS uuid)"
)
_FINISHED: Final = text(
    "UPDATE ledger.redrives SET state = 'finished', ended_at = :now WHERE id = CAST(:id AS uuid)"
)
_COUNTED: Final = text(
    "UPDATE ledger.redrives SET pending = false, written = written + :written, not_possible = not_possible + :not_possible "
    "WHERE id = CAST(:id AS uuid) AND page = :page AND pending"
)
_FORGET: Final = text("DELETE FROM ledger.redriven WHERE day < :day")


class RedriveRunner:
    """A component. While Kafka or PostgreSQL is away it tries again. Failpoints: `redrive_after_page_stored`,
    `redrive_after_page_written`, `redrive_after_page_counted`."""

    name: Final = "re-drives"

    def __init__(
        self,
        *,
        database: Database,
        settings: KafkaSettings,
        publisher: Publisher,
        clock: Clock,
        retention_days: int,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._database = database
        self._settings = settings
        self._publisher = publisher
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._failpoints = PrefixedFailpoints(failpoints, prefix="redrive_")
        self._topics = Topics(settings.topic_prefix)
        self._limits = Limits({topic.name: topic.max_message_bytes for topic in self._topics.all()})
        self._due: dict[str, float] = {}
        self._swept = clock.monotonic()
        metrics.begin_at_zero(metrics.redriven, ("written", "not_possible"))
        for state in OPEN_STATES:
            metrics.open_redrives.labels(state).set(0)

    async def open(self) -> None:
        """Nothing to do: re-drives wait in PostgreSQL."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work, or stand by, until `stop`."""
        while not stop.is_set():
            try:
                await self._work_if_elected(stop)
            except (KafkaFault, *AWAY) as error:
                log.warning("re-drives interrupted; going on later", reason=type(error).__name__)
            await _pause(stop, STANDBY)

    async def close(self) -> None:
        """Nothing is held beyond `run`."""

    async def _work_if_elected(self, stop: asyncio.Event) -> None:
        """Return at once while another ledger holds the lock; else hold it and work until `stop`."""
        async with self._session() as connection:
            if not await _hold_lock(connection):
                return
            reader = RecordReader(settings=self._settings)
            try:
                await reader.open()
                while not stop.is_set():
                    await _pause(stop, await self.turn(connection, reader))
            finally:
                for state in OPEN_STATES:
                    metrics.open_redrives.labels(state).set(0)  # another ledger tells from now on
                await reader.close()

    async def turn(self, connection: AsyncConnection, reader: RecordReader) -> float:
        """A page of each open re-drive whose time has come; seconds until the next one's time comes."""
        await self._look_around(connection)
        async with connection.begin():
            rows = [redrive_of(row) for row in (await connection.execute(_OPEN)).mappings()]
        self._due = {row.id: self._due.get(row.id, 0.0) for row in rows}
        for redrive in rows:
            if self._due[redrive.id] <= self._clock.monotonic():
                # One whose page fails again and again holds up no other.
                self._due[redrive.id] = self._clock.monotonic() + AFTER_FAULT
                size = await self._page(connection, reader, redrive)
                self._due[redrive.id] = self._clock.monotonic() + size / redrive.rate
        wait = min(self._due.values(), default=self._clock.monotonic() + IDLE) - self._clock.monotonic()
        return min(max(wait, 0.0), IDLE)

    async def _page(self, connection: AsyncConnection, reader: RecordReader, redrive: StoredRedrive) -> int:
        """Store the next page, or take the one that was stored and perhaps not written; write it; count it. How many rows it had."""
        page = redrive.page if redrive.pending else await self._store_next(connection, redrive)
        if page is None:
            return 0
        await self._failpoints.reach("after_page_stored")
        query = page_query(redrive.selection, now=self._clock.now(), redrive=redrive.id, page=page)
        async with connection.begin():
            selected = (await connection.execute(text(query.statement), query.values)).mappings()
            rows = [row_of(redrive.selection, row) for row in selected]
        written = await self._write(redrive, rows, reader)
        await self._failpoints.reach("after_page_written")
        not_possible = len(rows) - written
        values = {"id": redrive.id, "page": page, "written": written, "not_possible": not_possible}
        async with connection.begin():
            await connection.execute(_COUNTED, values)
        metrics.redriven.labels("written").inc(written)
        metrics.redriven.labels("not_possible").inc(not_possible)
        log.info(
            "page of a re-drive written",
            tenant=redrive.tenant,
            redrive=redrive.id,
            page=page,
            written=written,
            not_possible=not_possible,
        )
        await self._failpoints.reach("after_page_counted")
        return len(rows)

    async def _store_next(self, connection: AsyncConnection, redrive: StoredRedrive) -> int | None:
        """The number of the page that is stored now; None where nothing is left, or the re-drive does not run any more."""
        now, limit = self._clock.now(), min(redrive.rate, MOST_IN_A_PAGE)
        query = next_query(redrive.selection, now=now, after=redrive.place, limit=limit)
        async with connection.begin():
            values: dict[str, Any] = {"id": redrive.id, "page": redrive.page}
            if (await connection.execute(_SAME_PAGE, values)).first() is None:
                return None
            selected = (await connection.execute(text(query.statement), query.values)).mappings().all()
            if not selected:
                await connection.execute(_FINISHED, {"id": redrive.id, "now": now})
                log.info(
                    "re-drive finished", tenant=redrive.tenant, redrive=redrive.id, written=redrive.written
                )
                return None
            page, last = redrive.page + 1, selected[-1]
            place = last["number"] if "number" in last else (last["stored_at"], str(last["id"]))
            await connection.execute(
                _REDRIVEN,
                {
                    "redrive": redrive.id,
                    "page": page,
                    "ids": [row["id"] for row in selected],
                    "days": [row["day"] for row in selected],
                },
            )
            await connection.execute(_STORED, {"id": redrive.id, "page": page, "place": encode_place(place)})
        return page

    async def _write(self, redrive: StoredRedrive, rows: Sequence[Any], reader: RecordReader) -> int:
        """How many records were written; the others cannot be."""
        records = RedriveRecords(topics=self._topics, redrive=redrive.id)
        written = 0
        for begin in range(0, len(rows), AT_ONCE):
            some = rows[begin : begin + AT_ONCE]
            events = await reader.read(records.event_places(some))
            made = [record for row in some if (record := records.of(row, events)) and self._fits(record)]
            if made:
                await self._publisher.publish(made, timeout=WRITE_SECONDS)
            written += len(made)
        return written

    def _fits(self, record: ProducerRecord) -> bool:
        return record.size <= self._limits.of(record.topic)

    async def _look_around(self, connection: AsyncConnection) -> None:
        """Tell the metric how many are open, and forget now and then what is too old to be re-driven."""
        async with connection.begin():
            counts = {row.state: row.open for row in await connection.execute(_COUNTS)}
            for state in OPEN_STATES:
                metrics.open_redrives.labels(state).set(counts.get(state, 0))
            if self._clock.monotonic() - self._swept >= SWEEP_SECONDS:
                self._swept = self._clock.monotonic()
                await connection.execute(_FORGET, {"day": (self._clock.now() - self._retention).date()})

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncConnection]:
        """A session that ends with its use. The pool would keep it open, and with it the lock."""
        async with self._database.engine.connect() as connection:
            try:
                yield connection
            finally:
                await connection.invalidate()


async def _hold_lock(connection: AsyncConnection) -> bool:
    """Whether the session holds the lock now, for as long as it lives; another ledger's session may hold it."""
    async with connection.begin():
        locked = bool((await connection.execute(_LOCK)).scalar())
        if locked:
            for name, value in _SHORT_LIVED.items():
                await connection.execute(_SETTING, {"name": name, "value": value})
    return locked


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
