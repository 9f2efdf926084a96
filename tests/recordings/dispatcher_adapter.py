"""A dispatcher's delivery loop, given recorded jobs and a provider that answers by a script. Only this file knows its classes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from tests.recordings.recording import record_of, to_bytes, written

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.attempts import Attempts
from tocsin.channel.delivery import DeliveryLoop
from tocsin.channel.gate import Gate
from tocsin.channel.sandbox import Sandbox
from tocsin.channel.stop_table import StopTable
from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import Batch, Outgoing, Position, Record, Stored, TopicPartition, timeouts_for
from tocsin.testing import ManualClock

ANSWERS: dict[str, type[Answer]] = {
    "accepted": Accepted, "rejected": Rejected, "not_sent": NotSent, "throttled": Throttled, "ambiguous": Ambiguous,
}  # fmt: skip


class _Surroundings:
    """Shard, publisher, offsets and provider of one case; each outcome that is written ends one of its records."""

    kind, idempotency = "scripted", "none"

    def __init__(self, case: Any, base: Any) -> None:
        self.name = base["provider"]
        self.clock = ManualClock(datetime.fromisoformat(case["at"]))
        self.records = [record_of(kept, Record) for kept in case["records"]]
        self.batches = [Batch(shard=0, assignment=1, records=self.records)]
        self.script = list(case.get("answers", ()))
        self.lease = not case.get("lease_lost", False)
        first = self.records[0]
        place = TopicPartition(first.topic, first.partition)
        self.positions = {place: Position(first.offset, base["read_back"])}
        self.committed = dict(self.positions)
        self.revoked = asyncio.Event()
        self.end = base["end_of_outcomes"]
        self.written: list[Any] = []
        self.calls = self.ended = 0

    async def ends(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {
            place: self.end if "status" in place.topic else self.records[-1].offset + 1 for place in places
        }

    async def take(self, **_: int) -> Batch | None:
        if self.batches:
            return self.batches.pop()
        await self.revoked.wait()
        return None

    async def publish(self, records: Sequence[Outgoing], *, timeout: float) -> list[Stored]:  # noqa: ASYNC109
        self.written += written(records)
        self._end(len(records))
        first, self.end = self.end, self.end + len(records)
        return [Stored(one.topic, one.partition or 0, first + n, 0) for n, one in enumerate(records)]

    async def transaction(
        self, records: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position]
    ) -> None:
        self.written.append({"transaction": written(records), "offsets": self.positions_of(offsets)})
        self.committed.update(offsets)
        self._end(1)

    async def commit(self, offsets: Mapping[TopicPartition, Position]) -> None:
        self.committed.update(offsets)

    async def send(self, job: Job) -> Answer:
        self.calls += 1
        kind, given = self.script.pop(0)
        fields = dict(given)
        self.clock.advance(fields.pop("takes", 0))
        match kind:
            case "hangs":
                await asyncio.Event().wait()
            case "raises":
                raise ValueError(job.address)
            case "revoked":
                self.revoked.set()
                return NotSent(**fields)
        return msgspec.convert(fields, ANSWERS[kind])

    def lease_ok(self) -> bool:
        return self.lease

    def touch(self) -> None: ...

    def _end(self, records: int) -> None:
        self.ended += records
        if self.ended >= len(self.records):
            self.revoked.set()

    @staticmethod
    def positions_of(offsets: Mapping[TopicPartition, Position]) -> list[Any]:
        return [[*place, *position] for place, position in sorted(offsets.items())]


async def run(case: Any, base: Any) -> Any:
    """What is written in its order, the calls made, the position committed last, and whether the process ended."""
    channel, lane, topics, around = (
        Channel(case["channel"]),
        Lane(case["lane"]),
        Topics(),
        _Surroundings(case, base),
    )
    parts, stops = cast("Any", around), StopTable()
    for stop in case.get("stops", ()):
        stops.apply(Record("stops", 0, 0, 0, to_bytes(stop["key"]), to_bytes(stop["value"])))
    gate, sandbox = Gate(limit=4, reserved=1), Sandbox(channel=channel)

    def route(job: Job) -> Any:
        if job.test:
            return sandbox, gate
        return (around, gate) if not job.providers or around.name in job.providers else None

    timeout = timeouts_for(lane).send_timeout
    attempts = Attempts(channel=channel, lane=lane, route=route, call_timeout=timeout, clock=around.clock)
    loop = DeliveryLoop(
        channel=channel, lane=lane, topics=topics, attempts=attempts, publisher=parts, offsets=parts, stops=stops,
        clock=around.clock, max_in_flight=1, window_bytes=1_000_000,
    )  # fmt: skip
    died = False
    try:
        await loop.work(parts)
    except Exception:  # noqa: BLE001 - whatever it is called: the process ends
        died = True
    committed = around.positions_of(around.committed)
    return {"written": around.written, "calls": around.calls, "committed": committed, "died": died}
