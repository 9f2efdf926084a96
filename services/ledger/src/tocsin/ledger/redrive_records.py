"""What a re-drive writes: from the status that told of an end, or from a dead letter, to a record of `intents.<lane>`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tocsin.contracts.cloudevents import EventInvalid, read_kafka
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_intent, decode_request, decode_status, encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import event_key, recipient_key
from tocsin.contracts.intents import Continuation, DeliveryRef, Redrive
from tocsin.contracts.subscriptions import STATUS_SOURCE, event_type_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import ConsumerRecord, Headers, ProducerRecord, TopicPartition
from tocsin.ledger.dead_letters import StoredLetter
from tocsin.ledger.history import StatusRow

EventPlace = tuple[TopicPartition, int]
Events = Mapping[EventPlace, ConsumerRecord]
"""The records of `events` that are still kept, of those asked for."""


class RawEvent(NamedTuple):
    """An event as its producer wrote it."""

    headers: Headers
    value: bytes | None
    stored_at: datetime


def place_of(origin: str) -> EventPlace | None:
    """`topic/partition/offset` taken apart; None for any other text."""
    topic, _, rest = origin.partition("/")
    partition, _, offset = rest.partition("/")
    if not partition.isdecimal() or not offset.isdecimal():
        return None
    return TopicPartition(topic, int(partition)), int(offset)


class RedriveRecords:
    """Makes the records of one re-drive. `None` stands for what cannot be sent again: its event is gone, or was none."""

    def __init__(self, *, topics: Topics, redrive: str) -> None:
        self._topics = topics
        self._redrive = redrive
        self._lanes = {topics.events(lane): lane for lane in Lane}
        self._statuses = {topics.status(lane) for lane in Lane}

    def event_places(self, rows: Sequence[StatusRow | StoredLetter]) -> set[EventPlace]:
        """The events that have to be read for these rows; of webhooks that tell a status, that status."""
        places = (
            place_of(row.origin) for row in rows if isinstance(row, StatusRow) or _event_is_left_out(row)
        )
        kept = self._lanes.keys() | self._statuses
        return {place for place in places if place is not None and place[0].topic in kept}

    def of(self, row: StatusRow | StoredLetter, events: Events) -> ProducerRecord | None:
        """The record that sends this again."""
        try:
            if isinstance(row, StatusRow):
                return self._of_status(row, events)
            return self._of_letter(row, events)
        except (EventInvalid, *UNREADABLE_ERRORS):
            return None

    def _of_status(self, row: StatusRow, events: Events) -> ProducerRecord | None:
        place = place_of(row.origin)
        record = None if place is None else events.get(place)
        if record is None or row.recipient is None or row.notification_id is None:
            return None
        raw = RawEvent(record.headers, record.value, _stored_at(record))
        if record.topic in self._statuses:
            event = _event_of_status(raw)
        else:
            event = read_kafka(raw.headers, raw.value, default_tenant=row.tenant)
        if event.tenant != row.tenant:
            return None
        redrive = Redrive(
            redrive=self._redrive,
            subject=row.delivery_id or row.notification_id,
            event=_for_one(event, row.recipient),
            event_time=raw.stored_at,
            lane=row.lane,
            notification_id=row.notification_id,
            workflow=row.workflow,
            recipient=row.recipient,
            delivery=_delivery_of(row),
            origin=row.origin,
            cause=row.cause,
            traceparent=row.traceparent,
        )
        key = recipient_key(row.tenant, row.recipient)
        return ProducerRecord(self._topics.intents(row.lane), key, encode(redrive))

    def _of_letter(self, letter: StoredLetter, events: Events) -> ProducerRecord | None:
        if letter.kind == "intents":
            return self._of_intents(letter)
        place = place_of(letter.origin)
        lane = None if place is None else self._lanes.get(place[0].topic)
        raw = _raw_event(letter, events)
        if raw is None or lane is None:
            return None
        event = read_kafka(raw.headers, raw.value, default_tenant=letter.tenant or None)
        redrive = Redrive(
            redrive=self._redrive,
            subject=letter.id,
            event=event,
            event_time=raw.stored_at,
            lane=lane,
            workflows=letter.workflows.split(),
            origin=letter.origin,
            cause=letter.origin,
            traceparent=event.traceparent,
        )
        return self._event_record(redrive, event)

    def _of_intents(self, letter: StoredLetter) -> ProducerRecord | None:
        """A fan-out that could not go on, or an event that was refused once more when it was re-driven."""
        record = decode_intent(letter.value or b"")
        if isinstance(record, Continuation):
            return self._event_record(
                replace(record, redrive=self._redrive, subject=letter.id, cause=letter.origin), record.event
            )
        if isinstance(record, Redrive):
            workflows = letter.workflows.split() or record.workflows
            again = replace(
                record, redrive=self._redrive, subject=letter.id, workflows=workflows, cause=letter.origin
            )
            return self._event_record(again, record.event)
        return None

    def _event_record(self, record: Continuation | Redrive, event: Event) -> ProducerRecord:
        key = event_key(event.tenant, event.id)
        return ProducerRecord(self._topics.intents(record.lane), key, encode(record))


def _event_of_status(raw: RawEvent) -> Event:
    """A status that was told to an endpoint, as the event that it is there."""
    status = decode_status(raw.value or b"")
    return Event(
        tenant=status.tenant,
        source=STATUS_SOURCE,
        id=status.status_id,
        type=event_type_of(status),
        data=msgspec.Raw(raw.value or b""),
        test=status.test,
    )


def _delivery_of(row: StatusRow) -> DeliveryRef | None:
    if row.delivery_id is None or row.channel is None:
        return None
    # A channel without an address, or one whose addresses were not looked at, is decided whole.
    return DeliveryRef(channel=row.channel, step=row.step or "", address_key=row.address_key or "")


def _for_one(event: Event, recipient: str) -> Event:
    """Of a direct request only the recipient is left whom the record is for: a request may name a thousand."""
    if event.type != NOTIFICATION_REQUESTED:
        return event
    request = decode_request(event.data)
    only = [
        given for given in request.recipients if recipient == (given if isinstance(given, str) else given.id)
    ]
    request = replace(request, recipients=only[:1] or [recipient])
    return replace(event, data=msgspec.Raw(encode(request)))


def _event_is_left_out(letter: StoredLetter) -> bool:
    return letter.kind == "events" and bool(letter.original_bytes or letter.original_headers)


def _raw_event(letter: StoredLetter, events: Events) -> RawEvent | None:
    """From the letter; where that left out a part, from the event's own place."""
    if letter.kind != "events":
        return None
    if not _event_is_left_out(letter):
        return RawEvent(letter.own_headers, letter.value, letter.record_time or letter.at)
    place = place_of(letter.origin)
    record = None if place is None else events.get(place)
    return None if record is None else RawEvent(record.headers, record.value, _stored_at(record))


def _stored_at(record: ConsumerRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
