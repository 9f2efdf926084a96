"""The relay: what changed in the database becomes the topics `directory` and `stops`.

One router at a time holds the lock. In one REPEATABLE READ transaction it takes rows of the outbox, reads each entity they
name as it now stands, publishes that state or a tombstone in a Kafka transaction, and deletes the rows. A change not yet
visible leaves a row of its own; order plays no part, and publishing twice changes nothing. What takes rights away goes before
all else: recipients' versions and API keys. An entity larger than its topic takes is set aside, so that it holds up no other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Final

from sqlalchemy import TextClause, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.database.reach import AWAY
from tocsin.kafka import KafkaFault, KafkaSettings, Limits, Outgoing, TransactionalProducer, wait_for_topics
from tocsin.observability import get_logger, metrics
from tocsin.router.entities import EntityRef, states
from tocsin.router.tables import URGENT, outbox
from tocsin.runtime import Health

log = get_logger(__name__)

LOCK: Final = "tocsin.router.relay"
POLL: Final = 0.25
"""Seconds between two looks into an empty outbox; a change is published within about twice that."""
STANDBY: Final = 1.0
"""Seconds between two attempts to become the one that publishes, and between two looks at how much waits."""
PORTION_BYTES: Final = 4 * 1024 * 1024
"""Of states in one Kafka transaction; the next portion follows at once."""

_FIRST: Final = (text(URGENT), 200)
"""Which rows, and how many at once: these are small."""
_THEN: Final = (text(f"NOT ({URGENT})"), 50)
"""These may have a mebibyte each."""

# A router whose host is lost, or that stands frozen, must not keep the lock. The second bound is above that of a Kafka transaction.
_SHORT_LIVED: Final = {
    "idle_session_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "6s",
}
_TOUCH: Final = 1.0
"""Seconds within which a relay that does not publish yet shows PostgreSQL that it lives."""

_WAITING: Final = text(
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0) FROM directory.outbox"
)
_AWAY = (KafkaFault, *AWAY)


class Relay:
    """Component. While Kafka or PostgreSQL is away it tries again, and the changes wait in the outbox."""

    name: Final = "relay"

    def __init__(self, *, engine: AsyncEngine, settings: KafkaSettings, health: Health) -> None:
        self._engine = engine
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._limits = Limits({topic.name: topic.max_message_bytes for topic in self._topics.all()})
        self._check = health.check("kafka relay")
        self._service = health.service

    async def open(self) -> None:
        """Wait for Kafka and the two topics, with a visible reason."""
        await wait_for_topics(self._settings, [self._topics.directory, self._topics.stops], check=self._check)
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish, or stand by, until `stop`."""
        watching = asyncio.create_task(self._watch())
        try:
            while not stop.is_set():
                try:
                    async with self._elected() as connection:
                        if connection is not None:
                            await self._publish_until(stop, connection)
                except _AWAY as error:
                    log.warning("relay interrupted", reason=type(error).__name__)
                await _pause(stop, STANDBY)
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def close(self) -> None:
        """Nothing is held beyond `run`."""

    @contextlib.asynccontextmanager
    async def _elected(self) -> AsyncIterator[AsyncConnection | None]:
        """The connection that holds the lock, for as long as it lives; None while another router holds it."""
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ")
            try:
                query = select(func.pg_try_advisory_lock(func.hashtextextended(LOCK, 0)))
                held = bool((await connection.execute(query)).scalar())
                if held:
                    bounds = [func.set_config(name, value, False) for name, value in _SHORT_LIVED.items()]
                    await connection.execute(select(*bounds))
                await connection.commit()
                yield connection if held else None
            finally:
                # Closed, not given back: the pool would keep the session, and with it the lock.
                await connection.invalidate()

    async def _publish_until(self, stop: asyncio.Event, connection: AsyncConnection) -> None:
        producer = TransactionalProducer(
            settings=self._settings,
            transactional_id=self._topics.relay,
            group=self._topics.relay,
            limits=self._limits,
        )
        try:
            await _touching(connection, producer.open())
            log.info("publishing the directory")
            while not stop.is_set():
                if not await self._publish(connection, producer):
                    await _pause(stop, POLL)
        finally:
            await producer.close()

    async def _publish(self, connection: AsyncConnection, producer: TransactionalProducer) -> int:
        """Publish what the next rows of the outbox name; how many rows that were."""
        urgent = await self._publish_some(connection, producer, *_FIRST)
        return urgent + await self._publish_some(connection, producer, *_THEN)

    async def _publish_some(
        self, connection: AsyncConnection, producer: TransactionalProducer, which: TextClause, most: int
    ) -> int:
        async with connection.begin():
            rows = (
                await connection.execute(select(outbox).where(which).order_by(outbox.c.id).limit(most))
            ).all()
            if not rows:
                return 0
            named = {row.id: EntityRef(row.kind, row.tenant, tuple(row.key)) for row in rows}
            refs = list(dict.fromkeys(named.values()))
            found = dict(zip(refs, await states(connection, refs, self._topics), strict=True))
            portion = _portion(found)
            fitting = [one for ref, one in portion.items() if self._fits(ref, one)]
            if fitting:
                await producer.run(fitting, {})
            done = [number for number, ref in named.items() if ref in portion]
            await connection.execute(delete(outbox).where(outbox.c.id.in_(done)))
        return len(done)

    def _fits(self, ref: EntityRef, state: Outgoing) -> bool:
        """Whether its topic takes the state; what was published of the entity before stays if not."""
        limit = self._limits.of(state.topic)
        if state.size <= limit:
            return True
        metrics.directory_set_aside.labels(self._service, ref.kind).inc()
        log.error(
            "too large to publish, set aside: make it smaller and save it again",
            entity=ref.kind,
            tenant=ref.tenant,
            named="/".join(ref.key),
            size=state.size,
            limit=limit,
        )
        return False

    async def _watch(self) -> None:
        """Every router tells how much waits, and for how long: the one that publishes may be the one that is stuck."""
        rows, age = (
            metric.labels(self._service)
            for metric in (metrics.directory_outbox, metrics.directory_outbox_age)
        )
        while True:
            with contextlib.suppress(*_AWAY):  # the database has a check of its own
                async with self._engine.connect() as connection:
                    count, seconds = (await connection.execute(_WAITING)).one()
                rows.set(count)
                age.set(float(seconds))
            await asyncio.sleep(STANDBY)


def _portion(found: Mapping[EntityRef, Outgoing]) -> dict[EntityRef, Outgoing]:
    """The first of them, as many as go into one transaction; at least one."""
    taken: dict[EntityRef, Outgoing] = {}
    size = 0
    for ref, state in found.items():
        size += state.size
        if taken and size > PORTION_BYTES:
            break
        taken[ref] = state
    return taken


async def _touching(connection: AsyncConnection, opening: Coroutine[Any, Any, None]) -> None:
    """Wait for it without letting the connection idle."""
    task = asyncio.create_task(opening)
    try:
        while not (await asyncio.wait([task], timeout=_TOUCH))[0]:
            async with connection.begin():
                await connection.execute(select(1))
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
