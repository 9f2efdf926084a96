"""The relay: what changed in the database becomes the topics `directory` and `stops`.

One router at a time holds the lock. In one REPEATABLE READ transaction it takes rows of the outbox, reads each entity they
name as it now stands, publishes that state or a tombstone in a Kafka transaction, and deletes the rows. A change that is not
yet visible has a row of its own, so the order of rows plays no part, and publishing twice changes nothing. Recipients' versions
and API keys are published first, because they take rights away; imports wait for their turn after single changes. Each change
wakes the relay when it commits, and the relay says which rows it has published (`tocsin.router.in_force`). An entity larger than its topic's limit, and a row that no
record can hold, is not published: a log line and a metric say so, and the other entities do not wait for it.

While an installation moves to another topic prefix, each record is published under both, in the same transaction: what is in force is so
in both.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import ARRAY, Text, cast, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.database.reach import AWAY
from tocsin.kafka import (
    KafkaFault,
    KafkaSettings,
    Limits,
    ProducerRecord,
    TransactionalProducer,
    wait_for_topics,
)
from tocsin.observability import get_logger, metrics
from tocsin.router.entities import KINDS, EntityRef, current_records
from tocsin.router.in_force import PUBLISHED, messages
from tocsin.router.tables import WAKE, Turn, outbox
from tocsin.runtime import NO_FAILPOINTS, Failpoints, Health, PrefixedFailpoints, every
from tocsin.runtime.tasks import end_all, first_of

log = get_logger(__name__)

LOCK: Final = "tocsin.router.relay"
POLL: Final = 1.0
"""Seconds between two looks into an empty outbox. A change wakes the relay, so they only show PostgreSQL that it lives."""
STANDBY: Final = 1.0
"""Seconds between two attempts to become the one that publishes, and between two looks at how much waits."""
PORTION_BYTES: Final = 4 * 1024 * 1024
"""Of states in one Kafka transaction; the next portion follows at once."""

_AT_MOST: Final = {Turn.RIGHTS: 200, Turn.OTHERS: 50, Turn.IMPORTED_RIGHTS: 2_000, Turn.IMPORTED_OTHERS: 50}
"""How many rows of the outbox are taken at once. The states of keys and versions are small; one of the others may take a mebibyte. An address that
100,000 recipients share is so in force everywhere within seconds, and a single change waits for one portion of it at most."""

_SHORT_LIVED: Final = {
    "idle_session_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "6s",
}
"""PostgreSQL ends the session of a router that is frozen or whose host is lost, so that it does not keep the lock. The bound on
an idle transaction is above that of a Kafka transaction, which runs inside it."""
_TOUCH: Final = 1.0
"""Seconds within which a relay that does not publish yet shows PostgreSQL that it lives."""

_WAITING: Final = text(
    "SELECT turn >= :imported, count(*), extract(epoch FROM clock_timestamp() - min(at)) FROM directory.outbox GROUP BY 1"
).bindparams(imported=int(Turn.IMPORTED_RIGHTS))
_CHANGES: Final = {False: "single", True: "import"}
"""By whether a row was imported."""
_UNWRITABLE: Final = "no record can hold this row, set aside: save the entity again with valid values"
_AWAY = (KafkaFault, *AWAY)


class Relay:
    """Component. While Kafka or PostgreSQL is away it tries again, and the changes wait in the outbox."""

    name: Final = "relay"

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        settings: KafkaSettings,
        health: Health,
        second_prefix: str | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._second_prefix = second_prefix
        prefixes = (
            [settings.topic_prefix] if second_prefix is None else [settings.topic_prefix, second_prefix]
        )
        topics = [topic for prefix in prefixes for topic in Topics(prefix).all()]
        self._limits = Limits({topic.name: topic.max_message_bytes for topic in topics})
        self._written = [topic.name for topic in topics if topic.family in {"directory", "stops"}]
        self._check = health.check("kafka relay")
        self._service = health.service
        metrics.begin_at_zero(metrics.directory_set_aside, [self._service], KINDS)
        self._failpoints = PrefixedFailpoints(failpoints, prefix="relay_")

    async def open(self) -> None:
        """Wait for Kafka and the topics, with a visible reason."""
        await wait_for_topics(self._settings, self._written, check=self._check)
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish, or stand by, until `stop`."""
        while not stop.is_set():
            try:
                await self._publish_if_elected(stop)
            except _AWAY as error:
                log.warning("relay interrupted", reason=type(error).__name__)
            await _pause(stop, STANDBY)

    async def close(self) -> None:
        """Nothing is held beyond `run`."""

    async def _publish_if_elected(self, stop: asyncio.Event) -> None:
        """Return at once while another router holds the lock; else hold it and publish until `stop`."""
        async with session(self._engine) as connection:
            if not await hold_lock(connection):
                return
            producer = self._producer(self._topics)
            try:
                if self._second_prefix is not None:
                    await _touching(connection, self._fence(Topics(self._second_prefix)))
                await _touching(connection, producer.open())
                woken = await _woken(connection)
                log.info("publishing the directory")
                while not stop.is_set():
                    woken.clear()
                    rows = [await self._publish(connection, producer, turn) for turn in Turn]
                    if not any(rows):
                        await first_of(stop.wait(), woken.wait(), seconds=POLL)
            finally:
                await producer.close()

    def _producer(self, topics: Topics) -> TransactionalProducer:
        return TransactionalProducer(
            settings=self._settings,
            transactional_id=topics.relay,
            group=topics.relay,
            limits=self._limits,
            failpoints=self._failpoints,
        )

    async def _fence(self, topics: Topics) -> None:
        """Whoever published with that prefix before, and is only frozen, can write no more."""
        former = self._producer(topics)
        try:
            await former.open()
        finally:
            await former.close()

    async def _publish(self, connection: AsyncConnection, producer: TransactionalProducer, turn: Turn) -> int:
        """Publish the entities that the oldest rows of this turn name, and delete the rows; how many rows those were."""
        async with connection.begin():
            query = select(outbox).where(outbox.c.turn == turn).order_by(outbox.c.id).limit(_AT_MOST[turn])
            changed = {
                row.id: EntityRef(row.kind, row.tenant, tuple(row.key))
                for row in await connection.execute(query)
            }
            if not changed:
                return 0
            # Several rows may name one entity: it is read and published once, as it stands now.
            current = await current_records(connection, list(dict.fromkeys(changed.values())), self._topics)
            for ref, reason in current.unwritable.items():
                self._set_aside(ref, _UNWRITABLE, reason=reason)
            portion = _portion(current.records)
            fitting = {ref: record for ref, record in portion.items() if self._fits(ref, record)}
            if fitting:
                await producer.run([*fitting.values(), *self._copies(fitting.values())], {})
            ended = portion.keys() | current.unwritable.keys()
            done = {row_id: ref in fitting for row_id, ref in changed.items() if ref in ended}
            await self._failpoints.reach("before_delete")
            await connection.execute(delete(outbox).where(outbox.c.id.in_(done)))
            told = func.unnest(cast(messages(done), ARRAY(Text))).column_valued("told")
            await connection.execute(select(func.pg_notify(PUBLISHED, told)))
        return len(done)

    def _copies(self, records: Iterable[ProducerRecord]) -> list[ProducerRecord]:
        """The same for the other prefix, where there is one."""
        if self._second_prefix is None:
            return []
        own = self._topics.prefix
        return [
            replace(record, topic=self._second_prefix + record.topic.removeprefix(own)) for record in records
        ]

    def _fits(self, ref: EntityRef, record: ProducerRecord) -> bool:
        """Whether the record is within its topic's limit."""
        limit = self._limits.of(record.topic)
        if record.size <= limit:
            return True
        self._set_aside(
            ref,
            "too large to publish, set aside: make it smaller and save it again",
            size=record.size,
            limit=limit,
        )
        return False

    def _set_aside(self, ref: EntityRef, why: str, **facts: object) -> None:
        """It waits for nobody, and nobody waits for it; its former record stays in the topic."""
        metrics.directory_set_aside.labels(self._service, ref.kind).inc()
        log.error(why, entity=ref.kind, tenant=ref.tenant, named="/".join(ref.key), **facts)


async def watch_outbox(engine: AsyncEngine, service: str, stop: asyncio.Event) -> None:
    """Tell until `stop` how much waits, and for how long. Every router does: the one that publishes may be the one that is stuck."""
    gauges = {
        imported: (
            metrics.directory_outbox.labels(service, change),
            metrics.directory_outbox_age.labels(service, change),
        )
        for imported, change in _CHANGES.items()
    }

    async def look() -> None:
        with contextlib.suppress(*AWAY):  # the database has a check of its own
            async with engine.connect() as connection:
                waiting = {
                    imported: (count, float(seconds))
                    for imported, count, seconds in await connection.execute(_WAITING)
                }
            for imported, (rows, age) in gauges.items():
                count, seconds = waiting.get(imported, (0, 0.0))
                rows.set(count)
                age.set(seconds)

    await every(STANDBY, look, stop=stop)


@contextlib.asynccontextmanager
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A session that ends with its use. The pool would keep it open, and with it the lock."""
    async with engine.connect() as pooled:
        connection = await pooled.execution_options(isolation_level="REPEATABLE READ")
        try:
            yield connection
        finally:
            await connection.invalidate()


async def hold_lock(connection: AsyncConnection) -> bool:
    """Whether the session holds the lock now, for as long as it lives; another router's session may hold it."""
    attempt = select(func.pg_try_advisory_lock(func.hashtextextended(LOCK, 0)))
    locked = bool((await connection.execute(attempt)).scalar())
    if locked:
        bounds = [func.set_config(name, value, False) for name, value in _SHORT_LIVED.items()]
        await connection.execute(select(*bounds))
    await connection.commit()
    return locked


async def _woken(connection: AsyncConnection) -> asyncio.Event:
    """Set whenever a transaction that added rows to the outbox has committed."""
    woken = asyncio.Event()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.add_listener(WAKE, lambda *_: woken.set())
    return woken


def _portion(records: Mapping[EntityRef, ProducerRecord]) -> dict[EntityRef, ProducerRecord]:
    """The first of the records, as many as go into one transaction; at least one."""
    portion: dict[EntityRef, ProducerRecord] = {}
    size = 0
    for ref, record in records.items():
        size += record.size
        if portion and size > PORTION_BYTES:
            break
        portion[ref] = record
    return portion


async def _touching(connection: AsyncConnection, opening: Coroutine[Any, Any, None]) -> None:
    """Wait for the producer to open, and show PostgreSQL meanwhile that the session is in use."""
    task = asyncio.create_task(opening)
    try:
        while not (await asyncio.wait([task], timeout=_TOUCH))[0]:
            async with connection.begin():
                await connection.execute(select(1))
        task.result()
    finally:
        await end_all([task])


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
