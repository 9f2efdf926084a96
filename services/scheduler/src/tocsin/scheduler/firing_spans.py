"""The spans of timers that fire, where their traces are recorded: the timer's own, and that of what is sent."""

from collections.abc import Mapping
from datetime import datetime

from tocsin.kafka import RecordMetadata
from tocsin.observability import OpenSpan, admitted, recording
from tocsin.observability.messaging import begin_processing, sending
from tocsin.scheduler.timers_table import DueTimer


class FiringSpans:
    """Of the timers that fire in one transaction. `topics` are the timers', by partition."""

    def __init__(self, *, topics: Mapping[int, str], group: str, now: datetime) -> None:
        self._topics = topics
        self._group = group
        self._now = now
        self._open: list[OpenSpan] = []

    def begin(self, timer: DueTimer) -> DueTimer:
        """The timer; if its trace is recorded here, its `process` span begins when it was due, and its record goes on under a `send` span, or
        unsampled where more fire than are recorded.

        That record carries the timer's traceparent under this name. It is replaced in the bytes: the new one is as long. Where it stands
        elsewhere as well, a producer has put it into its data, and nothing is replaced.
        """
        if timer.traceparent is None or not recording(timer.traceparent):
            return timer
        own = b'"traceparent":"%b"'
        former = timer.traceparent.encode()
        if timer.record.count(former) != timer.record.count(own % former):
            return timer
        later = admitted(timer.traceparent) or timer.traceparent
        process = begin_processing(
            RecordMetadata(self._topics[timer.partition], timer.partition, timer.offset, 0),
            later,
            group=self._group,
            ago=max(0.0, (self._now - timer.due).total_seconds()),
            notification_id=timer.notification_id,
        )
        goes_on = later
        if process is not None:
            send = sending(process, timer.topic)
            self._open += (send, process)
            goes_on = send.traceparent
        return timer._replace(record=timer.record.replace(own % former, own % goes_on.encode()))

    def committed(self) -> None:
        """What was sent is stored."""
        for opened in self._open:
            opened.end()
