"""Accepted events into Kafka: known to be stored, or a 503 that names the ids to repeat."""

from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.ingest.validation import AcceptedEvent
from tocsin.kafka import NotStored, Overloaded, ProducerBroken, ProducerRecord, RecordMetadata
from tocsin.observability import metrics, record_span, recording
from tocsin.runtime import NO_FAILPOINTS, Failpoints
from tocsin.web import Problem, codes


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
        try:
            await self._kafka.publish([self._record(accepted) for accepted in events], timeout=self._timeout)
        except Overloaded as error:
            raise self._refusal(
                codes.OVERLOADED, "Nothing was stored, as too much waits for Kafka", events
            ) from error
        except (NotStored, ProducerBroken) as error:
            raise self._refusal(codes.NOT_KNOWN_TO_BE_STORED, "Not known to be stored", events) from error
        await self._failpoints.reach("after_publish")
        seconds = perf_counter() - began
        for accepted in events:
            self._accepted[accepted.lane].inc()
            if recording(accepted.event.traceparent):
                record_span("publish", accepted.event.traceparent, seconds=seconds, lane=accepted.lane.value)
        self._seconds[events[0].lane].observe(seconds)

    def _record(self, accepted: AcceptedEvent) -> ProducerRecord:
        headers, value = write_kafka(accepted.event)
        return ProducerRecord(self._topics[accepted.lane], accepted.key, value, tuple(headers))

    def _refusal(self, code: codes.ProblemCode, what: str, events: Sequence[AcceptedEvent]) -> Problem:
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
