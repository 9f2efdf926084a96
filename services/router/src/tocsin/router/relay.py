"""The relay: what changed in the database becomes the topics `directory` and `stops`.

One router at a time holds the lock. In one REPEATABLE READ transaction it takes rows of the outbox, reads each entity they
name as it now stands, publishes that state or a tombstone in a Kafka transaction, and deletes the rows. A change not yet
visible leaves a row of its own; order plays no part, and publishing twice changes nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaFault, KafkaSettings, Limits, TransactionalProducer, wait_for_topics
from tocsin.observability import get_logger, metrics
from tocsin.router.entities import EntityRef, states
from tocsin.router.tables import outbox
from tocsin.runtime import Health

log = get_logger(__name__)

LOCK: Final = "tocsin.router.relay"
ROWS: Final = 200
POLL: Final = 0.25
"""Seconds between two looks into an empty outbox; a change is published within about twice that."""
STANDBY: Final = 1.0
"""Seconds between two attempts to become the one that publishes."""

_AWAY = (KafkaFault, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Relay:
    """Component. While Kafka or PostgreSQL is away it tries again, and the changes wait in the outbox."""

    name: Final = "relay"

    def __init__(self, *, engine: AsyncEngine, settings: KafkaSettings, health: Health) -> None:
        self._engine = engine
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._limits = Limits({topic.name: topic.max_message_bytes for topic in self._topics.all()})
        self._check = health.check("kafka relay")
        self._waiting = metrics.directory_outbox.labels(health.service)

    async def open(self) -> None:
        """Wait for Kafka and the two topics, with a visible reason."""
        await wait_for_topics(self._settings, [self._topics.directory, self._topics.stops], check=self._check)
        self._check.ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish, or stand by, until `stop`."""
        while not stop.is_set():
            try:
                async with self._elected() as connection:
                    if connection is not None:
                        await self._publish_until(stop, connection)
            except _AWAY as error:
                log.warning("relay interrupted", reason=type(error).__name__)
            await _pause(stop, STANDBY)

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
            await producer.open()
            log.info("publishing the directory")
            while not stop.is_set():
                if not await self._publish(connection, producer):
                    await _pause(stop, POLL)
        finally:
            await producer.close()

    async def _publish(self, connection: AsyncConnection, producer: TransactionalProducer) -> int:
        """Publish what the next rows of the outbox name; how many rows that were."""
        async with connection.begin():
            query = select(outbox).order_by(outbox.c.id).limit(ROWS)
            rows = (await connection.execute(query)).all()
            await self._count(connection, len(rows))
            if not rows:
                return 0
            refs = list(dict.fromkeys(EntityRef(row.kind, row.tenant, tuple(row.key)) for row in rows))
            await producer.run(await states(connection, refs, self._topics), {})
            await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
        return len(rows)

    async def _count(self, connection: AsyncConnection, taken: int) -> None:
        if taken == ROWS:
            taken = (await connection.execute(select(func.count()).select_from(outbox))).scalar() or taken
        self._waiting.set(taken)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
