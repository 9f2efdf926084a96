"""The statuses the router writes, each with its deterministic id, as records of `status.<lane>`."""

from datetime import datetime
from typing import Any

from tocsin.contracts.codec import encode
from tocsin.contracts.events import Event
from tocsin.contracts.ids import event_key, recipient_key
from tocsin.contracts.intents import Intent
from tocsin.contracts.statuses import EventRef, status_of
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
        about = EventRef(
            tenant=tenant,
            event_id=event_id,
            event_source=event.source if event else None,
            test=event.test if event else False,
            origin=origin,
            traceparent=event.traceparent if event else None,
        )
        record = status_of(status, about, lane=self._lane, cause=self._cause, at=at or self._now, **fields)
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
        record = status_of(status, intent, lane=self._lane, cause=self._cause, at=at or self._now, **fields)
        return Outgoing(self._topic, key or recipient_key(intent.tenant, intent.recipient), encode(record))
