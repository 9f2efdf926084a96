"""A dispatcher's lanes on a cluster in memory, with scripted providers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tocsin.channel import Accepted, Answer, InstanceConfig, NotSent, ProviderKind
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.deferral import DeferralPolicy
from tocsin.channel.lane_context import LaneContext, TurnOf, recipients_turn
from tocsin.channel.preparation import Preparation
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.rates import NO_LIMITS, Rates
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job, SmsContent
from tocsin.contracts.statuses import Status
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.kafka import (
    OTHERS,
    Cancellations,
    CommittedOffset,
    ConsumerGroup,
    ConsumerRecord,
    Fenced,
    FencedShard,
    Offsets,
    ProducerRecord,
    Publisher,
    TopicPartition,
    read_back_metadata,
)
from tocsin.kafka.consume import turn_reading
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints, Health, SystemClock
from tocsin.testing.jobs import job_for
from tocsin.testing.kafka import MemoryCluster, MemoryOffsets, MemoryPublisher
from tocsin.testing.until import until

TOPICS = Topics("t.")
JOBS = TOPICS.jobs(Channel.SMS, Lane.TRANSACTIONAL)
UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)


class ScriptedConfig(InstanceConfig):
    """A `note` makes one configuration differ from another."""

    note: str = ""


class ScriptedProvider:
    """Remembers what it got, answers as it is told, and holds every call while `let_go` is not set."""

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
        assert isinstance(job.private.content, SmsContent)
        body = job.private.content.body
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


class Held:
    """What one member of a lane's group holds: jobs are put into its topic, and it is told to release them."""

    def __init__(
        self, cluster: MemoryCluster, context: LaneContext, group: ConsumerGroup[FencedShard]
    ) -> None:
        self.group = group
        self.coordinator = cluster.group(context.group)
        self._cluster = cluster
        self._jobs = context.jobs
        self._stop = asyncio.Event()
        self.work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.group.open()
        await self.group.run(self._stop)

    def put(self, *jobs: Job | bytes, partition: int = 0) -> None:
        encoded = [(b"acme/?", job) if isinstance(job, bytes) else (_key(job), encode(job)) for job in jobs]
        self._cluster.logs.append(
            (partition, ProducerRecord(self._jobs, *key_and_value)) for key_and_value in encoded
        )

    def took_all(self) -> bool:
        """Whether the work has taken everything that was put."""
        shards = self.group.held.values()
        return bool(shards) and all(
            shard.first_unread(place) is None
            and (ends := shard._assignment.member.log_ends(place)) is not None
            and ends.position == ends.end
            for shard in shards
            for place in shard.positions
        )

    @property
    def committed(self) -> dict[TopicPartition, CommittedOffset]:
        return self.coordinator.committed

    async def revoke(self) -> None:
        """As on SIGTERM; what is under way goes on."""
        self._stop.set()
        await until(lambda: not self.group.held)


def _key(job: Job) -> bytes:
    return recipient_key(job.tenant, job.recipient)


class ScriptedAge:
    """Of the copy of `stops`: as many seconds as a test says."""

    def __init__(self) -> None:
        self.age = 0.0

    async def ask(self) -> bool:
        return True

    def seconds(self) -> float:
        return self.age


@dataclass
class LaneBench:
    """One lane with its pool; shards come and go. `provider(name)` is the newest of that name."""

    folder: Path
    lane: Lane = Lane.TRANSACTIONAL
    channel: Channel = Channel.SMS
    kinds: Mapping[str, ProviderKind[Any]] | None = None
    """Others than the scripted one, for a file of its own."""
    turn_of: TurnOf = recipients_turn
    cluster: MemoryCluster = field(default_factory=lambda: MemoryCluster(prefix="t."))
    versions: RecipientVersions = field(default_factory=RecipientVersions)
    cancellations: Cancellations = field(default_factory=lambda: Cancellations(service="test"))
    age: ScriptedAge = field(default_factory=ScriptedAge)
    cancels_age: ScriptedAge = field(default_factory=ScriptedAge)
    deferral: DeferralPolicy = field(default_factory=DeferralPolicy)
    made: list[ScriptedProvider] = field(default_factory=list)
    health: Health = field(default_factory=lambda: Health(service="test"))
    rates: Rates = NO_LIMITS
    preparation: Preparation | None = None
    running: list[Held] = field(default_factory=list)

    def configure(
        self, *names: str, places: int = 64, note: str = "", order: Sequence[str] | None = None
    ) -> None:
        """Write the file of provider instances: `names`, the first is the default unless there is an `order`."""
        path = self.folder / "providers.toml"
        entry = '[[providers]]\nname = "{}"\nkind = "scripted"\nmax_in_flight = {}\nnote = "{}"\n'
        head = f"order = {list(order)}\n" if order else ""
        path.write_text(head + "".join(entry.format(name, places, note) for name in names))

    async def open(
        self, *, max_unrecorded: int = 128, clock: Clock | None = None, lanes: Sequence[Lane] = tuple(Lane)
    ) -> None:
        """Make the pool from the file as `configure` left it."""
        self.clock = clock or SystemClock()
        self.copy = CopyWatch(
            ages={"stops": self.age, "cancels": self.cancels_age}, health=self.health, clock=SystemClock()
        )
        self.publisher, self.offsets = MemoryPublisher(self.cluster), MemoryOffsets(self.cluster)
        kind = ProviderKind(config=ScriptedConfig, create=self._create)
        self.pool = ProviderPool(
            channel=self.channel,
            path=self.folder / "providers.toml",
            kinds=self.kinds or {"scripted": kind},
            lanes=lanes,
            max_unrecorded=max_unrecorded,
            health=self.health,
            clock=self.clock,
        )
        await self.pool.open()

    def _create(self, config: ScriptedConfig, clock: Clock) -> ScriptedProvider:
        self.made.append(ScriptedProvider(config, clock))
        return self.made[-1]

    def provider(self, name: str = "first") -> ScriptedProvider:
        return next(provider for provider in reversed(self.made) if provider.name == name)

    def context(
        self,
        lane: Lane | None = None,
        *,
        send_timeout: float = 20.0,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> LaneContext:
        return LaneContext(
            channel=self.channel,
            lane=lane or self.lane,
            topics=TOPICS,
            pool=self.pool,
            publisher=cast("Publisher", self.publisher),
            offsets=cast("Offsets", self.offsets),
            read_log=self.offsets.read_log,
            health=self.health,
            versions=self.versions,
            cancellations=self.cancellations,
            copy=self.copy,
            clock=self.clock,
            send_timeout=send_timeout,
            deferral=self.deferral,
            window_bytes=64 * 1024 * 1024,
            turn_of=self.turn_of,
            preparation=self.preparation,
            failpoints=failpoints,
        )

    def start(
        self, context: LaneContext | None = None, *, partitions: int = 1
    ) -> tuple[Held, "asyncio.Task[None]"]:
        """A member that delivers from now on, a shard for each partition; lost ownership ends it."""
        context = context or self.context()
        self.cluster.create(
            context.jobs, context.status, context.intents, context.timers, partitions=partitions
        )
        self.cluster.create(context.dead, partitions=1)
        self.cluster.start(context.group, context.jobs, metadata=read_back_metadata(0))

        async def work(shard: FencedShard) -> None:
            await ShardDelivery(context, shard).run()

        group = ConsumerGroup(
            cluster=self.cluster,
            group=context.group,
            topics=[context.jobs],
            ownership=Fenced(cluster=self.cluster, shards=partitions),
            work=work,
            timeouts=OTHERS,
            health=self.health,
            clock=SystemClock(),
            rejoins=0,
        )
        self.running.append(Held(self.cluster, context, group))
        return self.running[-1], self.running[-1].work

    async def close(self) -> None:
        for held in self.running:
            held.work.cancel()
        await asyncio.gather(*(held.work for held in self.running), return_exceptions=True)
        for provider in self.made:
            provider.let_go.set()
        await self.pool.close()

    async def copy_age(self, seconds: float) -> None:
        """The copy of `stops` has this age from now on, and the watch has seen it."""
        self.age.age = seconds
        await self.copy.look()

    def raise_version(self, recipient: str, version: int) -> None:
        """Something is taken away from the recipient."""
        value = encode_stop(RecipientVersion(version, raised_at=0))
        self.versions.apply(ConsumerRecord("t.stops", 0, 0, 0, recipient_key("acme", recipient), value))

    def cancel(self, *, test: bool = False, **named: Any) -> None:
        """A producer takes back a notification (`notification_id`), or what has a `key`, a second after now."""
        at = datetime.now(UTC) + timedelta(seconds=1)
        cancellation = Cancellation(
            tenant="acme", test=test, requested_at=at, origin="tocsin.events.critical/0/0", **named
        )
        at_ms = round(at.timestamp() * 1000)
        record = ConsumerRecord("t.cancels", 0, 0, at_ms, cancellation.record_key, encode(cancellation))
        self.cancellations.apply(record)

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
        topics = sorted(topic for topic in self.cluster.logs.topics if topic.startswith("t.status."))
        return [decode_status(record.value or b"") for topic in topics for record in self.cluster.read(topic)]


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 0.01)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LaneBench]:
    """Not open yet: configured with one provider of 64 places."""
    bench = LaneBench(tmp_path)
    bench.configure("first")
    yield bench
    await bench.close()
