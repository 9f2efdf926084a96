"""A dispatcher's delivery loop, given recorded jobs and a provider that answers by a script. Only this file knows its classes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from tests.recordings.recording import record_of, to_bytes, written

from tocsin.channel import (
    Accepted,
    Ambiguous,
    Answer,
    InstanceConfig,
    NotSent,
    ProviderKind,
    Rejected,
    Throttled,
)
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.deferral import DeferralPolicy
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Batch,
    Cancellations,
    CommittedOffset,
    ConsumerRecord,
    ProducerRecord,
    RecordMetadata,
    TopicPartition,
    timeouts_for,
)
from tocsin.runtime import Health
from tocsin.testing import ManualClock

ANSWERS: dict[str, type[Answer]] = {
    "accepted": Accepted, "rejected": Rejected, "not_sent": NotSent, "throttled": Throttled, "ambiguous": Ambiguous,
}  # fmt: skip


class _Surroundings:
    """Shard, publisher, offsets and provider of one case; each outcome that is written ends one of its records."""

    def __init__(self, case: Any, base: Any) -> None:
        self.name = base["provider"]
        self.clock = ManualClock(datetime.fromisoformat(case["at"]))
        self.records = [record_of(kept, ConsumerRecord) for kept in case["records"]]
        self.batches = [Batch(records=self.records)]
        self.script = list(case.get("answers", ()))
        self.lease = not case.get("lease_lost", False)
        first = self.records[0]
        jobs = TopicPartition(first.topic, first.partition)
        self.positions = {jobs: CommittedOffset(first.offset, base["read_back"])}
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

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109
        self.written += written(records)
        self._end(len(records))
        first, self.end = self.end, self.end + len(records)
        return [
            RecordMetadata(record.topic, record.partition or 0, first + n, 0)
            for n, record in enumerate(records)
        ]

    def submit(
        self, records: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> asyncio.Future[None]:
        self.written.append({"transaction": written(records), "offsets": self.positions_of(offsets)})
        self.committed.update(offsets)
        self._end(1)
        committed = asyncio.get_running_loop().create_future()
        committed.set_result(None)
        return committed

    async def commit(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        self.committed.update(offsets)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, job: Job) -> Answer:
        self.calls += 1
        kind, given = self.script.pop(0)
        fields = dict(given)
        self.clock.advance(fields.pop("takes", 0))
        match kind:
            case "hangs":
                await asyncio.Event().wait()
            case "raises":
                raise ValueError(job.private.address)
            case "revoked":
                self.revoked.set()
                return NotSent(**fields)
        return msgspec.convert(fields, ANSWERS[kind])

    async def starts(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def read_log(self, **_: Any) -> AsyncIterator[list[ConsumerRecord]]:
        """No former owner has recorded anything."""
        yield []

    def read_past(self, partition: TopicPartition, offset: int) -> bool:
        return not self.batches

    def lease_ok(self) -> bool:
        return self.lease

    def touch(self) -> None: ...

    def _end(self, records: int) -> None:
        self.ended += records
        if self.ended >= len(self.records):
            self.revoked.set()

    @staticmethod
    def positions_of(offsets: Mapping[TopicPartition, CommittedOffset]) -> list[Any]:
        return [[*place, *position] for place, position in sorted(offsets.items())]


class _Young:
    """The age of a copy of `stops` that optional messages need not wait for."""

    async def ask(self) -> bool:
        return True

    def seconds(self) -> float:
        return 0.0


async def run(case: Any, base: Any) -> Any:
    """What is written in its order, the calls made, the position committed last, and whether the process ended."""
    channel, lane, topics, around = (
        Channel(case["channel"]),
        Lane(case["lane"]),
        Topics(),
        _Surroundings(case, base),
    )
    parts, versions = cast("Any", around), RecipientVersions()
    for stop in case.get("stops", ()):
        key, value = to_bytes(stop["key"]), to_bytes(stop["value"])
        versions.apply(ConsumerRecord("stops", 0, 0, stop.get("timestamp_ms", 0), key, value))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f'[[providers]]\nname = "{around.name}"\nkind = "scripted"\nmax_in_flight = 4')
        file.flush()
        targets = frozenset(base["targets"].get(channel.value, ()))
        kind = ProviderKind(config=InstanceConfig, create=lambda _config, _clock: parts, targets=targets)
        pool = ProviderPool(
            channel=channel, path=Path(file.name), kinds={"scripted": kind}, lanes=list(Lane), max_unrecorded=1,
            clock=around.clock, health=Health(service="recording"),
        )  # fmt: skip
    await pool.open()
    context = LaneContext(
        channel=channel, lane=lane, topics=topics, pool=pool, publisher=parts, offsets=parts, versions=versions, cancellations=Cancellations(service="recording"),
        read_log=parts.read_log, health=Health(service="recording"),
        copy=CopyWatch(ages={"stops": _Young()}, health=Health(service="recording"), clock=around.clock),
        clock=around.clock, deferral=DeferralPolicy(attempts=1), send_timeout=timeouts_for(lane).send_timeout, window_bytes=1_000_000,
    )  # fmt: skip
    died = False
    try:
        await ShardDelivery(context, parts).run()
    except Exception:  # noqa: BLE001 - whatever it is called: the process ends
        died = True
    await pool.close()
    committed = around.positions_of(around.committed)
    return {"written": around.written, "calls": around.calls, "committed": committed, "died": died}
