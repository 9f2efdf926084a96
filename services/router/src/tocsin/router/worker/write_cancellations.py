"""What follows from an event that cancels: what routers and dispatchers heed from then on, and that it was asked for."""

from collections.abc import Iterator

from tocsin.contracts.codec import encode
from tocsin.contracts.vocabulary import Rule, StatusName
from tocsin.kafka import ConsumerRecord, ProducerRecord
from tocsin.router.worker.batch import BatchContext, event_ref
from tocsin.router.worker.dedupe import DuplicateCancellation
from tocsin.router.worker.parse import CancellationEvent


def write_cancellation(
    record: ConsumerRecord, item: CancellationEvent | DuplicateCancellation, context: BatchContext
) -> Iterator[ProducerRecord]:
    """The records that follow from `record`, in their order. The cancellation's row stands already."""
    counts = context.counts
    if isinstance(item, DuplicateCancellation):
        about = event_ref(item.event, origin=item.origin)
        counts.claims["duplicate"] += 1
        counts.processed["duplicate"] += 1
        counts.cancellations["duplicate"] += 1
        detail = f"Its identity belongs to {item.owner}."
        yield context.event_record(
            StatusName.EVENT_DUPLICATE, about, cause=record.ref, rule=Rule.DUPLICATE, detail=detail
        )
        return
    counts.claims["claimed"] += 1
    counts.processed["cancellation"] += 1
    counts.cancellations["requested"] += 1
    cancellation = item.cancellation
    about = event_ref(item.event, origin=cancellation.origin)
    yield ProducerRecord(context.topics.cancels, cancellation.record_key, encode(cancellation))
    yield context.event_record(
        StatusName.CANCEL_REQUESTED,
        about,
        cause=record.ref,
        at=cancellation.requested_at,
        notification_id=cancellation.notification_id,
        cancel_key=cancellation.key,
    )
