"""The status `delivered` of items that are stored, and word to those who show their boxes. Its id is computed from the item: told again, it falls together with the first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Receipt, status_of_receipt
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import StatusName
from tocsin.dispatch_inapp.moved_boxes import moved
from tocsin.kafka import ProducerRecord, Publisher

PUBLISH_SECONDS: Final = 5.0


class Delivered:
    """Writes it to `status`, each to its recipient's partition."""

    def __init__(self, *, publisher: Publisher, topics: Topics) -> None:
        self._publisher = publisher
        self._topics = topics

    async def tell(self, jobs: Sequence[Job], *, provider: str, at: datetime) -> None:
        """Return once Kafka has acknowledged them. Raises a KafkaFault where it has not."""
        records = [self._record(job, provider, at) for job in jobs]
        records += moved(self._topics, {(job.tenant, job.recipient): () for job in jobs})
        await self._publisher.publish(records, timeout=PUBLISH_SECONDS)

    def _record(self, job: Job, provider: str, at: datetime) -> ProducerRecord:
        status = status_of_receipt(
            StatusName.DELIVERED,
            Receipt(id=f"{job.delivery_id}/{StatusName.DELIVERED}", at=at),
            delivery_id=job.delivery_id,
            lane=job.lane,
            at=at,
            tenant=job.tenant,
            event_source=job.intent.event_source,
            event_id=job.intent.event_id,
            notification_id=job.notification_id,
            recipient=job.recipient,
            workflow=job.workflow,
            category=job.category,
            channel=job.channel,
            step=job.step,
            address_key=job.address_key,
            address_hash=job.address_hash,
            provider=provider,
            origin=job.origin,
            traceparent=job.traceparent,
        )
        return ProducerRecord(
            self._topics.status(job.lane), recipient_key(job.tenant, job.recipient), encode(status)
        )
