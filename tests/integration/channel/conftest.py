"""A dispatcher's lane on a real broker, with a provider that does as it is told."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tocsin.channel import Accepted, Answer, InstanceConfig, ProviderKind
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.deferral import DeferralPolicy
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts import ids
from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.jobs import Job, SmsContent
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Admin,
    Cancellations,
    ConsumerGroup,
    ConsumerRecord,
    Fenced,
    FencedShard,
    GroupSpec,
    GroupTimeouts,
    KafkaCluster,
    KafkaSettings,
    Offsets,
    ProducerRecord,
    Publisher,
    TopicSpec,
    read_to_end,
)
from tocsin.runtime import Health, SystemClock
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.testing.jobs import job_for
from tocsin.testing.until import until

TIGHT = GroupTimeouts(
    send_timeout=2,
    drain_timeout=3,
    rebalance_timeout=6,
    session_timeout=3,
    heartbeat_interval=0.2,
    lease_margin=1,
    progress_timeout=20,
)
LANE = Lane.TRANSACTIONAL
CHANNEL = Channel.SMS
PARTITIONS = 4


def job(
    number: int, *, recipient: str, expires_in: float = 600, version: int = 0, required: bool = False
) -> Job:
    """A job whose body is its number."""
    made = job_for(
        CHANNEL,
        delivery_id=f"d{number}",
        notification_id=f"n{number}",
        recipient=recipient,
        recipient_version=version,
        required=required,
        content=SmsContent(body=str(number)),
        expires_at=datetime.now(UTC) + timedelta(seconds=expires_in),
    )
    made.intent = msgspec.structs.replace(
        made.intent, notification_id=made.notification_id, recipient=recipient
    )
    return made


@dataclass
class Phone:
    """A provider that remembers what it got, answers as it is told, and waits where it is told."""

    name: str = "phone"
    answers: dict[str, list[Answer | Exception]] = field(default_factory=dict)
    got: list[str] = field(default_factory=list)
    inside: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    open_gate: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False
    hangs: set[str] = field(default_factory=set)
    """Bodies whose calls wait at the gate."""
    seconds: float = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, job: Job) -> Answer:
        assert isinstance(job.private.content, SmsContent)
        self.inside[job.recipient] += 1
        assert self.inside[job.recipient] == 1, "two at once for one recipient"
        self.got.append(job.private.content.body)
        if self.holds or job.private.content.body in self.hangs:
            await self.open_gate.wait()
        await asyncio.sleep(self.seconds)
        self.inside[job.recipient] -= 1
        planned = self.answers.get(job.private.content.body)
        answer = planned.pop(0) if planned else Accepted(message_id=f"m{job.private.content.body}")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Young:
    """Of a copy of `stops` that needs no broker."""

    async def ask(self) -> bool:
        return True

    def seconds(self) -> float:
        return 0.0


class Bench:
    """The topics, and dispatchers that come and go."""

    def __init__(self, settings: KafkaSettings, folder: Path) -> None:
        self.settings = settings
        self.cluster = KafkaCluster(settings)
        self.providers_file = folder / "providers.toml"
        self.topics = Topics(settings.topic_prefix)
        self.jobs = self.topics.jobs(CHANNEL, LANE)
        self.status = self.topics.status(LANE)
        self.intents = self.topics.intents(LANE)
        self.timers = self.topics.timers(LANE)
        self.dead = self.topics.dead(CHANNEL.dispatcher)
        self.publisher = Publisher(settings=settings, health=Health(service="test"))
        self.offsets = Offsets(settings=settings)
        self.stops = RecipientVersions()
        self.cancellations = Cancellations(service="test")
        self.copy = CopyWatch(ages={"stops": Young()}, health=Health(service="test"), clock=SystemClock())

    async def open(self) -> None:
        admin = Admin(settings=self.settings)
        await admin.open()
        specs = [
            TopicSpec(name=n, partitions=PARTITIONS)
            for n in (self.jobs, self.status, self.intents, self.timers)
        ]
        specs.append(TopicSpec(name=self.dead, partitions=1))
        await admin.apply(await admin.plan(specs, []))
        group = GroupSpec(
            group=self.topics.group(CHANNEL.dispatcher, LANE), topics=(self.jobs,), read_back=self.status
        )
        await admin.apply(await admin.plan(specs, [group]))
        await admin.close()
        await self.publisher.open()
        await self.offsets.open()

    async def close(self) -> None:
        await self.offsets.close()
        await self.publisher.close()

    async def put(self, *jobs: Job) -> None:
        records = [
            ProducerRecord(self.jobs, ids.recipient_key(j.tenant, j.recipient), encode(j)) for j in jobs
        ]
        await self.publisher.publish(records, timeout=20)

    @contextlib.asynccontextmanager
    async def dispatcher(
        self,
        provider: Phone,
        *,
        failpoints: Failpoints = NO_FAILPOINTS,
        deferral: DeferralPolicy = DeferralPolicy(attempts=1),  # noqa: B008 - it is frozen
        places: int = 50,
        timeouts: GroupTimeouts = TIGHT,
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A dispatcher while the block lasts; told to stop, and waited for, after it."""
        self.providers_file.write_text(
            f'[[providers]]\nname = "phone"\nkind = "phone"\nmax_in_flight = {places}'
        )
        pool = ProviderPool(
            channel=CHANNEL,
            path=self.providers_file,
            kinds={"phone": ProviderKind(config=InstanceConfig, create=lambda _config, _clock: provider)},
            lanes=[LANE],
            max_unrecorded=64,
            health=Health(service="test"),
        )
        context = LaneContext(
            channel=CHANNEL,
            lane=LANE,
            topics=self.topics,
            pool=pool,
            publisher=self.publisher,
            offsets=self.offsets,
            read_log=partial(read_to_end, settings=self.settings),
            health=Health(service="test"),
            versions=self.stops,
            cancellations=self.cancellations,
            copy=self.copy,
            clock=SystemClock(),
            deferral=deferral,
            send_timeout=timeouts.send_timeout,
            window_bytes=64 * 1024 * 1024,
            failpoints=failpoints,
        )

        async def work(shard: FencedShard) -> None:
            await ShardDelivery(context, shard).run()

        group = ConsumerGroup(
            cluster=self.cluster,
            group=context.group,
            topics=[self.jobs],
            ownership=Fenced(cluster=self.cluster, shards=2, failpoints=failpoints),
            timeouts=timeouts,
            rejoins=0,
            work=work,
            health=Health(service="test"),
            clock=SystemClock(),
        )
        await pool.open()
        await group.open()
        stop = asyncio.Event()
        running = asyncio.create_task(group.run(stop))
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait([running])
            await group.close()
            await pool.close()
        if not running.cancelled() and (error := running.exception()):
            raise error

    async def read(self, topic: str) -> list[ConsumerRecord]:
        return [
            r async for batch in read_to_end(settings=self.settings, topic=topic, deadline=30) for r in batch
        ]

    async def statuses(self) -> list[Status]:
        return [decode_status(record.value or b"") for record in await self.read(self.status)]

    async def until_statuses(self, count: int) -> list[Status]:
        """The statuses once at least `count` different ones stand."""
        statuses: list[Status] = []

        async def enough() -> bool:
            statuses[:] = await self.statuses()
            return len({status.status_id for status in statuses}) >= count

        await until(enough)
        return statuses


@pytest.fixture
async def bench(kafka_server: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix), tmp_path)
    await bench.open()
    try:
        yield bench
    finally:
        await bench.close()
