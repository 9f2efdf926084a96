"""Statuses that tenants' endpoints have asked for: each becomes a job of `dispatch-webhook`.

The job and all its ids are computed from the record of the status, so a record that is read twice makes the same job.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_status, encode
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.ids import delivery_id, notification_id
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.jobs import Job, JobPrivate
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.subscriptions import (
    STATUS_SOURCE,
    STATUS_STEP,
    TOLD_OVER,
    event_type_of,
    is_about_webhook,
    names_of,
)
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import ConsumerRecord, Limits, ProducerRecord
from tocsin.observability import get_logger, metrics
from tocsin.router.worker.directory import PublishedDirectory

log = get_logger(__name__)

LIVES: Final = timedelta(seconds=MESSAGE_LIFE_SECONDS)
"""On every lane. Its dispatcher tries for three days, and after that it can be sent again by a re-drive."""


_NO_CONTENT: Final = TOLD_OVER.content_of(
    dict.fromkeys((part.name for part in TOLD_OVER.parts if part.required), "")
)


class StatusSubscriptions:
    """Of one lane. An installation without subscriptions pays one look into an empty table for each record."""

    def __init__(self, *, lane: Lane, topics: Topics, directory: PublishedDirectory) -> None:
        self._lane = lane
        self._topic = topics.jobs(TOLD_OVER.channel, lane)
        self._limits = Limits({topic.name: topic.max_message_bytes for topic in topics.all()})
        self._directory = directory
        self._told = metrics.processed.labels("router", lane, "status_told")
        self._too_large = metrics.processed.labels("router", lane, "status_too_large_to_tell")

    def jobs_for(self, record: ConsumerRecord) -> list[ProducerRecord]:
        """One for each endpoint that has asked for the status; none for most records. Unreadable ones are the ledger's business."""
        endpoints = self._directory.told and self._directory.told.get(_tenant_in(record.key))
        if not endpoints:
            return []
        status = _decoded(record)
        if status is None or status.tenant != _tenant_in(record.key) or is_about_webhook(status):
            return []
        names = names_of(status)
        wanting = [endpoint for _, endpoint in sorted(endpoints.items()) if endpoint.is_told(names)]
        return list(self._fitting(record, status, wanting)) if wanting else []

    def _fitting(
        self, record: ConsumerRecord, status: StatusRecord, endpoints: list[WebhookEndpointRecord]
    ) -> Iterator[ProducerRecord]:
        value, stored_at = record.value or b"", datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
        for endpoint in endpoints:
            job = job_of(
                status, value, endpoint=endpoint.key, lane=self._lane, stored_at=stored_at, origin=record.ref
            )
            outgoing = ProducerRecord(self._topic, record.key, encode(job), partition=record.partition)
            if outgoing.size <= self._limits.of(self._topic):
                self._told.inc()
                yield outgoing
                continue
            self._too_large.inc()
            log.error("status is too large to be told", tenant=status.tenant, status=record.ref)


def event_of(status: StatusRecord, value: bytes) -> bytes:
    """The body that endpoints get: a CloudEvent in JSON, whose `type`, `timestamp` and `data` are those of Standard Webhooks. `data` is the
    record as it stands in `status`, fields that only newer releases know among it."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": status.status_id,
        "source": STATUS_SOURCE,
        "type": event_type_of(status),
        "time": status.at,
        "timestamp": status.at,
        "datacontenttype": "application/json",
        "data": msgspec.Raw(value),
    }
    return encode(event)


def job_of(
    status: StatusRecord,
    value: bytes,
    *,
    endpoint: str,
    lane: Lane,
    stored_at: datetime,
    origin: str,
    redrive: str | None = None,
    cause: str | None = None,
) -> Job:
    """The job that tells the status to the endpoint of this key. It is a message of its own, so that timelines of what it tells about do not grow by it.

    `value` is the status as it stands in the record `origin`, which the broker stored at `stored_at`; `cause` is the record that brought the
    job about, where that is another one.
    """
    recipient = status.recipient or ""
    notification = notification_id(
        tenant=status.tenant, source=STATUS_SOURCE, event_id=status.status_id, recipient=recipient, workflow=STATUS_SOURCE,
    )  # fmt: skip
    intent = Intent(
        tenant=status.tenant,
        notification_id=notification,
        event_source=STATUS_SOURCE,
        event_id=status.status_id,
        event_type=event_type_of(status),
        event_time=stored_at,
        workflow=STATUS_SOURCE,
        recipient=recipient,
        private=IntentPrivate(),
        lane=lane,
        test=status.test,
        redrive=redrive,
        origin=origin,
        cause=cause or origin,
    )
    return Job(
        delivery_id=delivery_id(
            notification=notification, channel=TOLD_OVER.channel, step=STATUS_STEP, address_key=endpoint
        ),
        notification_id=notification,
        tenant=status.tenant,
        recipient=recipient,
        recipient_version=0,
        workflow=STATUS_SOURCE,
        category=status.category or "",
        channel=TOLD_OVER.channel,
        lane=lane,
        step=STATUS_STEP,
        address_key=endpoint,
        address_hash="",
        private=JobPrivate(address=endpoint, content=_NO_CONTENT, told=msgspec.Raw(event_of(status, value))),
        settled=True,
        template="",
        template_version=0,
        test=status.test,
        event_time=stored_at,
        expires_at=stored_at + LIVES,
        intent=intent,
        origin=origin,
        cause=cause or origin,
    )


def _tenant_in(key: bytes | None) -> str:
    """Of a record of `status`, whose key is `tenant/recipient` or `tenant/event`."""
    return (key or b"").partition(b"/")[0].decode("ascii", "replace")


def _decoded(record: ConsumerRecord) -> StatusRecord | None:
    try:
        status: StatusRecord = decode_status(record.value or b"")
    except UNREADABLE_ERRORS:
        return None
    return status
