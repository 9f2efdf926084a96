"""Accepted events into Kafka: known to be stored, or a 503 that names the ids to repeat."""

from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.ingest.validation import AcceptedEvent
from tocsin.kafka import NotStored, Overloaded, ProducerBroken, ProducerRecord, RecordMetadata
from tocsin.observability import OpenSpan, current_span, metrics, recording
from tocsin.observability.messaging import NOTIFICATION, begin_sending, note_stored
from tocsin.runtime import NO_FAILPOINTS, Failpoints
from tocsin.web import Problem, codes

Sends = dict[int, OpenSpan]
"""By the event's place in the request."""


class KafkaPublisher(Protocol):
    """What of `tocsin.kafka.Publisher` is used here."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        """Return once all are acknowledged; raises NotStored, Overloaded or ProducerBroken."""
        ...


class EventPublisher:
    """Writes accepted events to `events.<lane>` as CloudEvents in binary mode."""

    def __init__(
        self,
        *,
        kafka: KafkaPublisher,
        topics: Topics,
        timeout: float,
        retry_after: int,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._kafka: Final = kafka
        self._topics: Final = {lane: topics.events(lane) for lane in Lane}
        self._timeout: Final = timeout
        self._failpoints: Final = failpoints
        self._retry_after: Final = {"retry-after": str(retry_after)}
        self._seconds: Final = {lane: metrics.stage_seconds.labels("ingest", lane, "store") for lane in Lane}
        self._accepted: Final = {lane: metrics.ingest_accepted.labels(lane) for lane in Lane}

    async def publish(self, events: Sequence[AcceptedEvent]) -> None:
        """Return once all are acknowledged by the broker. Raises the 503 problem `not_known_to_be_stored` or `overloaded`."""
        if not events:
            return
        began = perf_counter()
        sends = self._begin_sending(events)
        try:
            stored = await self._kafka.publish(
                [self._record(accepted) for accepted in events], timeout=self._timeout
            )
        except Overloaded as error:
            raise self._refusal(
                codes.OVERLOADED, "Nothing was stored, as too much waits for Kafka", events, sends
            ) from error
        except (NotStored, ProducerBroken) as error:
            raise self._refusal(
                codes.NOT_KNOWN_TO_BE_STORED, "Not known to be stored", events, sends
            ) from error
        for number, send in sends.items():
            note_stored(send, stored[number])
            send.end()
        await self._failpoints.reach("after_publish")
        seconds = perf_counter() - began
        for accepted in events:
            self._accepted[accepted.lane].inc()
        self._seconds[events[0].lane].observe(seconds)

    def _begin_sending(self, events: Sequence[AcceptedEvent]) -> Sends:
        """The spans of those whose traces are recorded here. Each event goes on with the context of its own."""
        sends: Sends = {}
        for number, accepted in enumerate(events):
            event = accepted.event
            if not recording(event.traceparent):
                continue
            send = begin_sending(self._topics[accepted.lane], event.traceparent)
            if send is not None:
                event.traceparent, sends[number] = send.traceparent, send
                if (named := accepted.notifications) is not None and len(named) == 1:
                    send.set(NOTIFICATION, named[0].notification_id)
                    if len(events) == 1 and (request := current_span()) is not None:
                        request.set(NOTIFICATION, named[0].notification_id)
        return sends

    def _record(self, accepted: AcceptedEvent) -> ProducerRecord:
        headers, value = write_kafka(accepted.event)
        return ProducerRecord(self._topics[accepted.lane], accepted.key, value, tuple(headers))

    def _refusal(
        self, code: codes.ProblemCode, what: str, events: Sequence[AcceptedEvent], sends: Sends
    ) -> Problem:
        for send in sends.values():
            send.end(code.name)
        ids = [accepted.event.id for accepted in events]
        if len(ids) == 1:
            return Problem(
                code,
                f"{what}: repeat with this id.",
                headers=self._retry_after,
                extensions={"event_id": ids[0]},
            )
        detail = f"{what}: repeat with these ids; what was stored after all will not be sent twice."
        return Problem(code, detail, headers=self._retry_after, extensions={"event_ids": ids})
