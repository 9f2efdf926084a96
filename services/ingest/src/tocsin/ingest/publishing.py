"""Events into Kafka: known to be stored, or a 503 that says which id to repeat."""

from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.ingest.validation import Admitted
from tocsin.kafka import NotStored, Outgoing, Overloaded, ProducerBroken, Stored
from tocsin.observability import metrics, record_span, recording
from tocsin.web import Problem, codes


class Publishes(Protocol):
    """What of `tocsin.kafka.Publisher` is used here."""

    async def publish(self, records: Sequence[Outgoing], *, timeout: float) -> list[Stored]:  # noqa: ASYNC109 - as Publisher has it
        """Return once all are acknowledged; raises NotStored, Overloaded or ProducerBroken."""
        ...


class EventStore:
    """Writes admitted events to `events.<lane>` as CloudEvents in binary mode."""

    def __init__(self, *, publisher: Publishes, topics: Topics, timeout: float, retry_after: int) -> None:
        self._publisher: Final = publisher
        self._topics: Final = {lane: topics.events(lane) for lane in Lane}
        self._timeout: Final = timeout
        self._retry_after: Final = {"retry-after": str(retry_after)}
        self._seconds: Final = {lane: metrics.stage_seconds.labels("ingest", lane, "store") for lane in Lane}
        self._accepted: Final = {lane: metrics.ingest_accepted.labels(lane) for lane in Lane}

    async def store(self, admitted: Sequence[Admitted]) -> None:
        """Return once all are acknowledged by the broker. Raises the 503 problem `not_known_to_be_stored` or `overloaded`."""
        if not admitted:
            return
        began = perf_counter()
        try:
            await self._publisher.publish([self._record(one) for one in admitted], timeout=self._timeout)
        except Overloaded as error:
            raise self._refusal(
                codes.OVERLOADED, "Nothing was stored, as too much waits for Kafka", admitted
            ) from error
        except (NotStored, ProducerBroken) as error:
            raise self._refusal(codes.NOT_KNOWN_TO_BE_STORED, "Not known to be stored", admitted) from error
        seconds = perf_counter() - began
        for one in admitted:
            self._accepted[one.lane].inc()
            if recording(one.event.traceparent):
                record_span("publish", one.event.traceparent, seconds=seconds, lane=one.lane.value)
        self._seconds[admitted[0].lane].observe(seconds)

    def _record(self, admitted: Admitted) -> Outgoing:
        headers, value = write_kafka(admitted.event)
        return Outgoing(self._topics[admitted.lane], admitted.key, value, tuple(headers))

    def _refusal(self, code: codes.ProblemCode, what: str, admitted: Sequence[Admitted]) -> Problem:
        ids = [one.event.id for one in admitted]
        if len(ids) == 1:
            return Problem(
                code,
                f"{what}: repeat with this id.",
                headers=self._retry_after,
                extensions={"event_id": ids[0]},
            )
        detail = f"{what}: repeat with these ids; what was stored after all will not be sent twice."
        return Problem(code, detail, headers=self._retry_after, extensions={"event_ids": ids})
