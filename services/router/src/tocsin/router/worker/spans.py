"""The spans of one batch: one for what is done once for all of it, one for each message, one for each record that is sent.

With tracing off, whoever works on the batch asks for none (`on`), and a record that is sent costs a look at an empty dictionary. With it on,
most batches have no message whose trace is recorded; then each message costs a look at its traceparent besides.
"""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

from tocsin.contracts.events import Event
from tocsin.contracts.intents import Intent
from tocsin.kafka import ConsumerRecord
from tocsin.observability import OpenSpan, admitted, recording, tracing_on
from tocsin.observability.messaging import batch_span, begin_processing, sending
from tocsin.observability.tracing import begins_sampled, unsampled_traceparent

Traced = Intent | Event
"""What holds the `traceparent` that came with a record, and that everything which follows from it carries."""


class BatchSpans:
    """`with BatchSpans(records, group=…) as spans:` the work of one batch."""

    def __init__(self, records: Sequence[ConsumerRecord] = (), *, group: str = "") -> None:
        self.on: Final = tracing_on()
        """Else nothing need be joined, begun or ended."""
        self._group = group
        self._batch = batch_span(records, group=group)
        self._open: dict[str | None, OpenSpan] = {}
        """The messages that are being worked on, by their traceparents."""
        self._sends: dict[str, OpenSpan] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batch.__exit__(kind, error, trace)

    def join(self, messages: Iterable[Traced | None]) -> None:
        """Those of them that are recorded share the span of the batch. To be called before any is worked on: others lose their flag."""
        if not self.on:
            return
        recorded: list[str] = []
        for message in messages:
            if message is None:
                continue
            message.traceparent = admitted(message.traceparent)
            if message.traceparent is not None and recording(message.traceparent):
                recorded.append(message.traceparent)
        self._batch.join(recorded)

    def begin(self, record: ConsumerRecord, message: Traced | None) -> None:
        """The record is worked on. What follows goes on under a span of its own, if its trace is recorded; with what has no trace one begins."""
        if not self.on or message is None:
            return
        if message.traceparent is None:
            if not begins_sampled():
                message.traceparent = unsampled_traceparent()
                return
        elif not recording(message.traceparent):
            return
        opened = begin_processing(
            record,
            message.traceparent,
            group=self._group,
            ago=self._batch.seconds,
            batch=self._batch.opened,
            notification_id=message.notification_id if isinstance(message, Intent) else None,
        )
        if opened is not None:
            message.traceparent = opened.traceparent
            self._open[opened.traceparent] = opened

    def end(self, message: Traced | None, error: str | None = None) -> None:
        """All that follows from the record is made."""
        if self._open and message is not None and (opened := self._open.pop(message.traceparent, None)):
            opened.end(error)

    def send(self, topic: str, traceparent: str | None) -> OpenSpan | None:
        """The span of a record that is sent because of a message; None where that is not recorded."""
        above = self._open.get(traceparent)
        if above is None:
            return None
        send = sending(above, topic)
        self._sends[send.traceparent] = send
        return send

    def below(self, topic: str, traceparent: str | None) -> str | None:
        """The traceparent that a record to this topic carries."""
        send = self.send(topic, traceparent) if self._open else None
        return traceparent if send is None else send.traceparent

    def not_sent(self, traceparent: str | None) -> None:
        """The record with this traceparent is not sent after all."""
        if traceparent is not None:
            self._sends.pop(traceparent, None)

    @property
    def sends(self) -> Sequence[OpenSpan]:
        """They end with the transaction."""
        return tuple(self._sends.values())
