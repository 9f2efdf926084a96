"""The records on `status` that providers' events become."""

from datetime import UTC, datetime

from tocsin.channel.receipts import ProviderEvent
from tocsin.channel.ref import Ref
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import Receipt, status_of_receipt
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.kafka import ProducerRecord


def receipt_record(
    status: StatusName,
    event: ProviderEvent,
    ref: Ref,
    *,
    channel: Channel,
    provider: str | None,
    topics: Topics,
    now: datetime,
) -> ProducerRecord:
    """The status that `event` tells of the delivery of `ref`, on the recipient's own partition. Without a provider it was told to us."""
    record = status_of_receipt(
        status,
        Receipt(id=event.id, at=_utc(event.at), automated=event.automated, action=event.action),
        delivery_id=ref.delivery_id,
        lane=ref.lane,
        at=now,
        tenant=ref.tenant,
        notification_id=ref.notification_id,
        recipient=ref.recipient,
        workflow=ref.workflow,
        category=ref.category,
        channel=channel,
        step=ref.step,
        address_key=ref.address_key,
        address_hash=ref.address_hash,
        provider=provider,
        provider_code=event.code,
        reason=event.reason,
        detail=event.detail,
        test=ref.test,
        origin=ref.origin or "",
    )
    return ProducerRecord(topics.status(ref.lane), recipient_key(ref.tenant, ref.recipient), encode(record))


def _utc(at: datetime | None) -> datetime | None:
    """None where it is no time in UTC: of the first and the last day that there is."""
    try:
        return None if at is None else at.astimezone(UTC)
    except OverflowError:
        return None
