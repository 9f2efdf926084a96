"""A dispatcher's lane without a broker: a shard that is handed records, a publisher that remembers, scripted providers."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tocsin.channel import Accepted, Answer, InstanceConfig, ProviderKind
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job, SmsContent
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Batch,
    FencedShard,
    NotStored,
    Offsets,
    Outgoing,
    Position,
    Publisher,
    Record,
    Stored,
    TopicPartition,
    read_back_metadata,
)
from tocsin.runtime import Clock, SystemClock
from tocsin.testing.jobs import job_for

TOPICS = Topics("t.")


class ScriptedConfig(InstanceConfig):
    """`answers` are made by the test."""

    note: str = ""


class ScriptedProvider:
    """Remembers what it got, answers as it is told, and holds every call while `let_go` is not set."""

    kind = "scripted"

    def __init__(self, config: ScriptedConfig, clock: Clock) -> None:
        self.config, self.name = config, config.name
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.got: list[str] = []
        self.cancelled: list[str] = []
        self.inside = 0
        self.most_inside = 0
        self.closed = False
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def open(self) -> None:
        """Nothing to prepare."""

    async def send(self, job: Job) -> Answer:
        assert not self.closed
        assert isinstance(job.content, SmsContent)
        body = job.content.body
        self.got.append(body)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(body)
            raise
        finally:
            self.inside -= 1
        planned = self.answers.get(body)
        answer = planned.pop(0) if planned else Accepted(message_id=f"m{body}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        assert not self.inside, "closed while a call was under way"
        self.closed = True


class MemoryPublisher:
    """Stores in lists, a log each topic and partition; or holds every call while `let_go` is not set."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.refusals = 0
        self.closed = False

    async def publish(self, records: Sequence[Outgoing], *, timeout: float) -> list[Stored]:  # noqa: ASYNC109 - as Publisher has it
        assert not self.closed, "published after it was closed"
        await self.let_go.wait()
        if self.refusals:
            self.refusals -= 1
            raise NotStored("The broker is away.")
        return [self._store(record) for record in records]

    def _store(self, record: Outgoing) -> Stored:
        log = self.logs[record.topic, record.partition or 0]
        log.append(record)
        return Stored(record.topic, record.partition or 0, len(log) - 1, 0)


class MemoryOffsets:
    """Where the logs of the publisher end; the jobs' logs end at 0 unless a test says otherwise."""

    def __init__(self, publisher: MemoryPublisher) -> None:
        self.publisher = publisher
        self.others: dict[TopicPartition, int] = {}

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        logs = self.publisher.logs
        return {place: self.others.get(place, len(logs.get(place, ()))) for place in partitions}


class MemoryShard:
    """What the engine gives to `work`: records are put in by the test."""

    def __init__(self, jobs: str, partitions: int) -> None:
        self.jobs = jobs
        self.positions = {
            TopicPartition(jobs, number): Position(0, read_back_metadata(0)) for number in range(partitions)
        }
        self.revoked = asyncio.Event()
        self.committed: dict[TopicPartition, Position] = {}
        self.transactions: list[Sequence[Outgoing]] = []
        self.transaction_error: Exception | None = None
        self.commit_error: Exception | None = None
        self.lease = True
        self.partitions = partitions
        self._waiting: deque[Record] = deque()
        self._next = [0] * partitions
        self._arrived = asyncio.Event()

    def put(self, *jobs: Job | bytes, partition: int = 0) -> None:
        for job in jobs:
            value, key = (job, b"acme/?") if isinstance(job, bytes) else (encode(job), _key(job))
            self._waiting.append(Record(self.jobs, partition, self._next[partition], 0, key, value))
            self._next[partition] += 1
        self._arrived.set()

    async def take(self, *, max_records: int = 500, max_bytes: int = 4_194_304) -> Batch | None:
        while not self._waiting and not self.revoked.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        if self.revoked.is_set():
            return None
        count = min(max_records, len(self._waiting))
        return Batch(shard=0, assignment=1, records=[self._waiting.popleft() for _ in range(count)])

    async def commit(self, offsets: Mapping[TopicPartition, Position]) -> None:
        if self.commit_error is not None:
            raise self.commit_error
        self.committed.update(offsets)

    def submit(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position] | None = None
    ) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        if self.transaction_error is not None:
            done.set_exception(self.transaction_error)
            return done
        self.transactions.append(outgoing)
        self.committed.update(offsets or {})
        done.set_result(None)
        return done

    def revoke(self) -> None:
        self.revoked.set()
        self._arrived.set()

    def lease_ok(self) -> bool:
        return self.lease

    def touch(self) -> None:
        """Nobody watches."""


def _key(job: Job) -> bytes:
    return recipient_key(job.tenant, job.recipient)


@dataclass
class LaneBench:
    """One lane with its pool; shards come and go. `provider(name)` is the newest of that name."""

    folder: Path
    lane: Lane = Lane.TRANSACTIONAL
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    versions: RecipientVersions = field(default_factory=RecipientVersions)
    made: list[ScriptedProvider] = field(default_factory=list)
    running: dict[asyncio.Task[None], MemoryShard] = field(default_factory=dict)

    def configure(self, *names: str, places: int = 64, note: str = "") -> None:
        """Write the file of provider instances: `names`, the first is the default."""
        path = self.folder / "providers.toml"
        entry = '[[providers]]\nname = "{}"\nkind = "scripted"\nmax_in_flight = {}\nnote = "{}"\n'
        path.write_text("".join(entry.format(name, places, note) for name in names))

    async def open(self, *, max_in_flight: int = 128, clock: Clock | None = None) -> None:
        """Make the pool from the file as `configure` left it."""
        self.clock = clock or SystemClock()
        self.offsets = MemoryOffsets(self.publisher)
        kind = ProviderKind(config=ScriptedConfig, create=self._create)
        self.pool = ProviderPool(
            channel=Channel.SMS,
            path=self.folder / "providers.toml",
            kinds={"scripted": kind},
            lanes=list(Lane),
            max_in_flight=max_in_flight,
            clock=self.clock,
        )
        await self.pool.open()

    def _create(self, config: ScriptedConfig, clock: Clock) -> ScriptedProvider:
        self.made.append(ScriptedProvider(config, clock))
        return self.made[-1]

    def provider(self, name: str = "first") -> ScriptedProvider:
        return next(provider for provider in reversed(self.made) if provider.name == name)

    def context(self, lane: Lane | None = None, *, call_timeout: float = 20.0) -> LaneContext:
        return LaneContext(
            channel=Channel.SMS,
            lane=lane or self.lane,
            topics=TOPICS,
            pool=self.pool,
            publisher=cast("Publisher", self.publisher),
            offsets=cast("Offsets", self.offsets),
            versions=self.versions,
            clock=self.clock,
            call_timeout=call_timeout,
            window_bytes=64 * 1024 * 1024,
        )

    def start(
        self, context: LaneContext | None = None, *, partitions: int = 1
    ) -> tuple[MemoryShard, "asyncio.Task[None]"]:
        """A shard that is delivered from now on."""
        context = context or self.context()
        shard = MemoryShard(context.jobs, partitions)
        work = asyncio.create_task(ShardDelivery(context, cast("FencedShard", shard)).run())
        self.running[work] = shard
        return shard, work

    async def close(self) -> None:
        for work, shard in self.running.items():
            shard.revoke()
            work.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        self.publisher.closed = True
        for provider in self.made:
            provider.let_go.set()
        await self.pool.close()

    @staticmethod
    def job(number: int, *, recipient: str | None = None, **fields: Any) -> Job:
        """A job whose body is its number; each has a recipient of its own unless a test names one."""
        return job_for(
            Channel.SMS,
            delivery_id=f"d{number}",
            recipient=recipient or f"r{number}",
            content=SmsContent(body=str(number)),
            **fields,
        )

    @property
    def statuses(self) -> list[Status]:
        """What was recorded on `status`, partition by partition."""
        return [
            decode_status(record.value or b"")
            for (topic, _), log in sorted(self.publisher.logs.items())
            for record in log
            if topic.startswith("t.status.")
        ]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LaneBench]:
    """Not open yet: configured with one provider of 64 places."""
    bench = LaneBench(tmp_path)
    bench.configure("first")
    yield bench
    await bench.close()
