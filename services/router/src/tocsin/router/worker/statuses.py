"""The statuses the router writes, each with its deterministic id, as records of `status.<lane>`."""

from datetime import datetime
from typing import Any

from tocsin.contracts.codec import encode
from tocsin.contracts.events import Event
from tocsin.contracts.ids import event_key, recipient_key, status_id
from tocsin.contracts.intents import Intent
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.kafka import Outgoing


class StatusWriter:
    """Statuses of one handled record: `cause` is its place, `topic` where statuses of its lane go."""

    __slots__ = ("_cause", "_lane", "_now", "_topic")

    def __init__(self, *, topic: str, lane: Lane, cause: str, now: datetime) -> None:
        self._topic = topic
        self._lane = lane
        self._cause = cause
        self._now = now

    def of_event(
        self,
        status: StatusName,
        *,
        tenant: str,
        event_id: str,
        origin: str,
        event: Event | None,
        at: datetime | None = None,
        **fields: Any,
    ) -> Outgoing:
        """A status of the event as a whole, keyed `tenant/event`."""
        record = Status(
            status_id=status_id(subject=event_id, status=status, cause=self._cause),
            status=status,
            final=status.final,
            at=at or self._now,
            tenant=tenant,
            event_source=event.source if event else None,
            event_id=event_id,
            lane=self._lane,
            test=event.test if event else False,
            origin=origin,
            cause=self._cause,
            traceparent=event.traceparent if event else None,
            **fields,
        )
        return Outgoing(self._topic, event_key(tenant, event_id), encode(record))

    def of_notification(
        self,
        status: StatusName,
        intent: Intent,
        *,
        key: bytes | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> Outgoing:
        """A status of the notification, or of the delivery that `fields` name, keyed `tenant/recipient`."""
        subject = fields.get("delivery_id") or intent.notification_id
        record = Status(
            status_id=status_id(subject=subject, status=status, cause=self._cause),
            status=status,
            final=status.final,
            at=at or self._now,
            tenant=intent.tenant,
            event_source=intent.event_source,
            event_id=intent.event_id,
            notification_id=intent.notification_id,
            recipient=intent.recipient,
            workflow=intent.workflow,
            lane=self._lane,
            test=intent.test,
            origin=intent.origin,
            cause=self._cause,
            traceparent=intent.traceparent,
            **fields,
        )
        return Outgoing(self._topic, key or recipient_key(intent.tenant, intent.recipient), encode(record))
