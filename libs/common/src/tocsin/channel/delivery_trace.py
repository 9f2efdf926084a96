"""The spans of one delivery whose trace is recorded.

process jobs.<channel>.<lane>   from when the job was read until its outcome is known
  ├─ attempt                    for each; the provider's CLIENT span is below it
  └─ send status.<lane>         for each record that tells of it, until that is stored
"""

from typing import Final

from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.kafka import ConsumerRecord, RecordMetadata
from tocsin.observability import OpenSpan
from tocsin.observability.messaging import begin_processing, note_stored, sending
from tocsin.observability.tracing import span

_FAILED: Final = frozenset({StatusName.FAILED, StatusName.UNKNOWN, StatusName.EXPIRED})


class DeliveryTrace:
    """Of a delivery under one assignment."""

    def __init__(self, process: OpenSpan) -> None:
        self._process = process
        self._sends: list[OpenSpan] = []

    @classmethod
    def begun(cls, job: Job, record: ConsumerRecord, *, group: str, ago: float) -> "DeliveryTrace | None":
        """None where the job's trace is not recorded here."""
        process = begin_processing(
            record, job.traceparent, group=group, ago=ago, notification_id=job.notification_id
        )
        if process is None:
            return None
        process.hand_down("tocsin.delivery_id", job.delivery_id)
        return cls(process)

    def attempt(self, number: int, provider: str, *, waited: float) -> span:
        """`with trace.attempt(1, "primary", waited=0.2):` one call, after so many seconds in the provider's queue."""
        about: dict[str, str | float] = {
            "tocsin.attempt": number,
            "tocsin.provider": provider,
            "tocsin.queue_seconds": waited,
        }
        return span("attempt", self._process, attributes=about)

    def send(self, topic: str) -> str:
        """The traceparent of a record that tells of the delivery, or goes on with it."""
        send = sending(self._process, topic)
        self._sends.append(send)
        return send.traceparent

    def stored(self, place: RecordMetadata | None = None) -> None:
        """What was sent is stored."""
        for send in self._sends:
            if place is not None:
                note_stored(send, place)
            send.end()
        self._sends.clear()

    def end(self, status: StatusName, reason: Reason | None = None) -> None:
        """The delivery ends so, or goes on by another record."""
        self._process.set("tocsin.status", status.value)
        self._process.end((reason or status).value if status in _FAILED else None)

    def give_up(self) -> None:
        """The shard is given away: the next owner begins anew."""
        self._process.end("shard_revoked")
