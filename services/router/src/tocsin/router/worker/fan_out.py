"""One event becomes one intent for each recipient, in chunks: no transaction grows with the audience."""

from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.contracts.codec import encode
from tocsin.contracts.events import Event
from tocsin.contracts.ids import event_key, notification_id, recipient_key
from tocsin.contracts.intents import Continuation, Intent
from tocsin.contracts.limits import FAN_OUT_BYTES, FAN_OUT_RECORDS
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import Outgoing
from tocsin.observability import current_traceparent, span
from tocsin.router.worker.audience import Recipient, digest, recipient_id
from tocsin.router.worker.reading import Plan, Target


class Room:
    """How many records may still follow from one batch beyond one for each of its records: shared by all its events."""

    __slots__ = ("_bytes", "_records")

    def __init__(self, *, records: int = FAN_OUT_RECORDS, size: int = FAN_OUT_BYTES) -> None:
        self._records = records
        self._bytes = size

    @property
    def left(self) -> bool:
        """Whether another intent may follow."""
        return self._records > 0 and self._bytes > 0

    def takes(self, records: int) -> bool:
        """Whether so many small records may follow, all of them."""
        return self.left and records <= self._records

    def take(self, size: int, *, records: int = 1) -> None:
        """An intent of `size` bytes was written, or several records that have them together."""
        self._records -= records
        self._bytes -= size


def intent_for(plan: Plan, target: Target, recipient: Recipient, *, origin: str, cause: str) -> Intent:
    """The intent of one recipient."""
    event = plan.event
    key = target.published.workflow.key
    who = recipient_id(recipient)
    return Intent(
        tenant=event.tenant,
        notification_id=notification_of(event, who, key),
        event_source=event.source,
        event_id=event.id,
        event_type=event.type,
        event_time=plan.event_time,
        workflow=key,
        recipient=who,
        inline=None if isinstance(recipient, str) else recipient,
        actor=target.actor,
        data=target.data,
        lane=target.lane,
        expires_at=target.expires_at,
        test=event.test,
        origin=origin,
        cause=cause,
        traceparent=event.traceparent,
    )


@contextmanager
def fan_out_span(plan: Plan, lane: Lane) -> Iterator[None]:
    """The span of the fan-out, under which all that follows from the event goes on. An event without a trace gets one here:
    the same for all its notifications."""
    recipients = sum(len(target.recipients) for target in plan.targets)
    with span("fan_out", plan.event.traceparent, lane=lane.value, recipients=recipients):
        plan.event.traceparent = current_traceparent()
        yield


def notification_of(event: Event, recipient: str, workflow: str) -> str:
    """The notification's id."""
    return notification_id(
        tenant=event.tenant, source=event.source, event_id=event.id, recipient=recipient, workflow=workflow
    )


def fan_out(
    plan: Plan, target: Target, *, start: int, room: Room, topics: Topics, origin: str, cause: str
) -> Iterator[Outgoing]:
    """Intents for the target's recipients from `start` on, while there is room, then a continuation for the rest.

    A target with one recipient left is always written: its continuation would be as large.
    """
    topic = topics.intents(target.lane)
    last = len(target.recipients) - 1
    for place in range(start, len(target.recipients)):
        if not room.left and not start == place == last:
            yield _continuation(plan, target, place, topic=topic, origin=origin, cause=cause)
            return
        recipient = target.recipients[place]
        intent = intent_for(plan, target, recipient, origin=origin, cause=cause)
        value = encode(intent)
        room.take(len(value))
        yield Outgoing(topic, recipient_key(intent.tenant, intent.recipient), value)


def _continuation(
    plan: Plan, target: Target, cursor: int, *, topic: str, origin: str, cause: str
) -> Outgoing:
    event = plan.event
    rest = Continuation(
        event=event,
        event_time=plan.event_time,
        lane=target.lane,
        workflow=target.published.workflow.key,
        cursor=cursor,
        revision=target.published.workflow.revision,
        recipients_sha256=digest(target.recipients),
        origin=origin,
        cause=cause,
        traceparent=event.traceparent,
    )
    return Outgoing(topic, event_key(event.tenant, event.id), encode(rest))
