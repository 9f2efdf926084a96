"""Spans of messages, by OpenTelemetry's semantic conventions for messaging (1.44.0, where they are in development).

A message has one `process` span (CONSUMER), a child of the `send` span (PRODUCER) whose context the record carried. What a batch
does once for many messages stands under one `process` span of the batch, in a trace of its own: it links to each message, and each message's
span links to it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import Token
from time import perf_counter
from typing import Final, Protocol, Self

from tocsin.observability.tracing import (
    Attribute,
    OpenSpan,
    begin_span,
    begin_trace,
    make_current,
    reset_current,
)

NOTIFICATION: Final = "tocsin.notification_id"
MOST_LINKS: Final = 128
"""The SDK keeps no more. The spans of further messages still link to the batch."""


class PlacedRecord(Protocol):
    """A record, or its metadata: where in Kafka it stands."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def begin_sending(topic: str, traceparent: str | None) -> OpenSpan | None:
    """The span of a record that is about to be sent and carries the span's traceparent. None where the trace is not recorded."""
    return begin_span(f"send {topic}", traceparent, "producer", _operation("send", topic))


def sending(above: OpenSpan, topic: str) -> OpenSpan:
    """The same, below a span of this process."""
    return above.child(f"send {topic}", "producer", _operation("send", topic))


def note_stored(send: OpenSpan, record: PlacedRecord) -> None:
    """The record stands there."""
    for name, value in _place(record).items():
        send.set(name, value)


def note_count(send: OpenSpan, records: int) -> None:
    """So many records carry the context of this one `send`."""
    send.set("messaging.batch.message_count", records)


def end_with(sends: Iterable[OpenSpan], transaction: "asyncio.Future[None]") -> None:
    """They are committed now, or never."""
    failed = transaction.cancelled() or transaction.exception() is not None
    for send in sends:
        send.end("not_committed" if failed else None)


def begin_processing(
    record: PlacedRecord,
    traceparent: str | None,
    *,
    group: str,
    ago: float = 0.0,
    batch: OpenSpan | None = None,
    notification_id: str | None = None,
) -> OpenSpan | None:
    """The span of a record that was read so many seconds ago. A trace begins with it where the record has none; ask `begins_sampled`
    before."""
    attributes = {
        **_operation("process", record.topic),
        **_place(record),
        "messaging.consumer.group.name": group,
    }
    links = (batch.traceparent,) if batch is not None else ()
    name = f"process {record.topic}"
    if traceparent is None:
        opened = begin_trace(name, "consumer", attributes, ago=ago, links=links)
    else:
        opened = begin_span(name, traceparent, "consumer", attributes, ago=ago, links=links)
    if opened is not None and notification_id is not None:
        opened.hand_down(NOTIFICATION, notification_id)
    return opened


class batch_span:  # noqa: N801 - reads as a function, as `span` does
    """`with batch_span(records, group=…) as shared:` what is done once for all of these records.

    It begins with the block and is recorded once `join` names a message that is; then it is the current span.
    """

    __slots__ = ("_began", "_group", "_records", "_token", "opened")

    def __init__(self, records: Sequence[PlacedRecord], *, group: str) -> None:
        self._records = records
        self._group = group
        self._began = perf_counter()
        self.opened: OpenSpan | None = None
        self._token: Token[OpenSpan | str | None] | None = None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return perf_counter() - self._began

    def join(self, traceparents: Iterable[str]) -> None:
        """These messages are recorded. To be called in the task of the block; only the first call counts."""
        links = list(traceparents)[:MOST_LINKS]
        if self.opened is not None or not links:
            return
        self.opened = begin_processing_batch(self._records, links, group=self._group, ago=self.seconds)
        if self.opened is not None:
            self._token = make_current(self.opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._token is not None:
            reset_current(self._token)
        if self.opened is not None:
            self.opened.end(None if kind is None else kind.__name__)


def begin_processing_batch(
    records: Sequence[PlacedRecord], links: Iterable[str], *, group: str, ago: float
) -> OpenSpan | None:
    """The first span of a trace about a batch. It names the topic, if it is one."""
    topics = {record.topic for record in records}
    topic = next(iter(topics)) if len(topics) == 1 else None
    attributes = {
        **_operation("process", topic),
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(records),
    }
    name = "process" if topic is None else f"process {topic}"
    return begin_trace(name, "consumer", attributes, ago=ago, links=links)


def _operation(operation: str, topic: str | None) -> dict[str, Attribute]:
    about: dict[str, Attribute] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
    if topic is not None:
        about["messaging.destination.name"] = topic
    return about


def _place(record: PlacedRecord) -> dict[str, Attribute]:
    return {
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }
