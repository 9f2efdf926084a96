"""Webhooks of test keys, as an endpoint would get them: what `tocsin webhooks listen` shows to a developer.

Nobody is called for a test key. Their jobs still stand on Kafka, each at the place that its status names, and are read from there. Jobs of live keys
are never read.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_job
from tocsin.contracts.subscriptions import TOLD_OVER
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.contracts.webhook_body import body_of
from tocsin.kafka import ConsumerRecord, KafkaSettings, RecordReader, TopicPartition
from tocsin.ledger.redrive_records import place_of

Place = tuple[TopicPartition, int]
AT_ONCE: Final = 2
"""Requests of one process that read from Kafka; others wait for them."""

_ENDED: Final = text(
    "SELECT DISTINCT ON (stored_at, status_id) stored_at, status_id, status, reason, address_key, delivery_id, cause "  # noqa: S608 - a word of ours
    f"FROM ledger.statuses WHERE tenant = :tenant AND channel = '{TOLD_OVER.channel}' AND test AND kind = 'status' AND final "
    "AND day >= (CAST(:since AS timestamptz) AT TIME ZONE 'UTC')::date AND (stored_at, status_id) > (:since, CAST(:after AS uuid)) "
    "ORDER BY stored_at, status_id LIMIT :limit"
)
FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"
"""Smaller than any status id."""


class SandboxedWebhook(NamedTuple):
    """One webhook that would have been sent. `body` is None where its job is no longer kept."""

    stored_at: datetime
    status_id: str
    status: str
    reason: str | None
    endpoint: str
    webhook_id: str
    body: str | None


class ReadsRecords(Protocol):
    """Single records of Kafka by their place."""

    async def __call__(self, places: Collection[Place]) -> Mapping[Place, ConsumerRecord]:
        """Those that are kept. Raises KafkaFault."""
        ...


class KafkaRecords:
    """A client for each question, of which there are few."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, places: Collection[Place]) -> Mapping[Place, ConsumerRecord]:
        async with self._turns:
            reader = RecordReader(settings=self._settings)
            try:
                await reader.open()
                return await reader.read(places)
            finally:
                await reader.close()


async def no_records(places: Collection[Place]) -> Mapping[Place, ConsumerRecord]:  # noqa: ARG001 - as ReadsRecords has it
    """What is read where there is no broker."""
    return {}


class SandboxedWebhookReader:
    """Reads from one database, and from Kafka what it names."""

    def __init__(self, *, engine: AsyncEngine, topics: Topics, records: ReadsRecords = no_records) -> None:
        self._engine = engine
        self._jobs = {topics.jobs(TOLD_OVER.channel, lane) for lane in Lane}
        self._records = records

    async def since(self, tenant: str, since: datetime, *, after: str, limit: int) -> list[SandboxedWebhook]:
        """Those whose end was stored after `since`, or at that moment under a larger status id than `after`; oldest first."""
        values = {"tenant": tenant, "since": since, "after": after, "limit": limit}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_ENDED, values)).all()
        bodies = await self._bodies([row.cause for row in rows], tenant)
        return [
            SandboxedWebhook(
                stored_at=row.stored_at,
                status_id=str(row.status_id),
                status=row.status,
                reason=row.reason,
                endpoint=row.address_key or "",
                webhook_id=str(row.delivery_id),
                body=bodies.get(row.cause),
            )
            for row in rows
        ]

    async def _bodies(self, causes: Sequence[str], tenant: str) -> dict[str, str]:
        """By the record of the job."""
        places = [place for cause in causes if (place := place_of(cause)) and place[0].topic in self._jobs]
        if not places:
            return {}
        bodies: dict[str, str] = {}
        for record in (await self._records(places)).values():
            body = _body_in(record, tenant)
            if body is not None:
                bodies[record.ref] = body
        return bodies


def _body_in(record: ConsumerRecord, tenant: str) -> str | None:
    try:
        job = decode_job(record.value or b"")
    except UNREADABLE_ERRORS:
        return None
    if job.tenant != tenant or not job.test:  # what the status says of it is looked at again
        return None
    return body_of(job).decode()
