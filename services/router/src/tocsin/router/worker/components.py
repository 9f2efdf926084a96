"""The worker's components, in the order in which they open."""

import asyncio
from typing import Final

from tocsin.contracts.topics import Topics
from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.kafka import (
    NO_FAILPOINTS,
    ConsumerGroup,
    ExactlyOnce,
    Failpoints,
    Fenced,
    GroupTimings,
    KafkaCluster,
    KafkaFault,
    KafkaSettings,
    Offsets,
    Plain,
    Replica,
    timings_for,
)
from tocsin.observability import get_logger
from tocsin.router.settings import RouterSettings
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.claims import Claims
from tocsin.router.worker.deliveries import Decider, Links
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.feedback import FETCHING, Feedback
from tocsin.router.worker.handled import Partitions
from tocsin.router.worker.lookups import Lookups
from tocsin.router.worker.routing import Router
from tocsin.runtime import Check, Clock, Component, Health, SystemClock, retry_until_available

log = get_logger(__name__)

SWEEP_SECONDS: Final = 60.0
SWEEP_ROWS: Final = 1_000


def worker_components(
    settings: RouterSettings,
    *,
    database: Database,
    health: Health,
    clock: Clock | None = None,
    failpoints: Failpoints = NO_FAILPOINTS,
    timings: GroupTimings | None = None,
) -> list[Component]:
    """Everything the worker role runs, for each lane in LANES. `database` is opened before them, by the caller.

    Each lane's group joins only once the directory has been read to its end.
    """
    clock = clock or SystemClock()
    kafka, topics = settings.kafka, Topics(settings.kafka.topic_prefix)
    cluster = KafkaCluster(kafka)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    renderer = Renderer()
    directory = PublishedDirectory(renderer=renderer)
    claims = Claims(database=database, window=settings.duplicate_window)
    lookups = Lookups(database=database)
    links = Links(public_url=settings.public_url, tokens=UnsubscribeTokens(settings.signing_keys))
    partitions = Partitions()
    components: list[Component] = [
        Replica(settings=kafka, topic=topics.directory, apply=directory.apply, health=health),
        PartitionCount(
            settings=kafka,
            topic=topics.events(settings.lanes[0]),
            into=partitions,
            check=health.check("kafka partitions"),
        ),
        ClaimSweeper(claims=claims),
    ]
    for lane in settings.lanes:
        router = Router(
            lane=lane,
            topics=topics,
            directory=directory,
            claims=claims,
            lookups=lookups,
            decider=Decider(directory=directory, renderer=renderer, topics=topics, lane=lane, links=links),
            partitions=partitions,
            clock=clock,
            default_tenant=settings.default_tenant,
            failpoints=failpoints,
        )
        deciding = ConsumerGroup(
            cluster=cluster,
            group=topics.group("router", lane),
            topics=(topics.events(lane), topics.intents(lane)),
            ownership=Fenced(cluster=cluster, shards=settings.slots, limits=limits, failpoints=failpoints),
            work=ExactlyOnce(router.process, clock=clock).work,
            timings=timings or timings_for(lane),
            health=health,
            clock=clock,
            failpoints=failpoints,
        )
        learning = ConsumerGroup(
            cluster=cluster,
            group=topics.group("router-feedback", lane),
            topics=(topics.status(lane),),
            ownership=Plain(),
            work=Feedback(lane=lane, database=database).work,
            timings=timings or timings_for(lane),
            health=health,
            clock=clock,
            fetching=FETCHING,
        )
        components += [deciding, learning]
    return components


class PartitionCount:
    """Component: asks once how many partitions the lanes' topics have, which is fixed at their creation."""

    name: Final = "partition count"

    def __init__(self, *, settings: KafkaSettings, topic: str, into: Partitions, check: Check) -> None:
        self._settings = settings
        self._topic = topic
        self._into = into
        self._check = check

    async def open(self) -> None:
        """Wait for a broker, then ask."""
        self._into.count = await retry_until_available(
            "Kafka", self._ask, retry_on=(KafkaFault,), check=self._check, describe=str
        )
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Nothing to do."""
        await stop.wait()

    async def close(self) -> None:
        """Nothing is held."""

    async def _ask(self) -> int:
        offsets = Offsets(settings=self._settings)
        try:
            await offsets.open()
            return await offsets.partitions(self._topic)
        finally:
            await offsets.close()


class ClaimSweeper:
    """Component: deletes claims whose window has passed, a few at a time."""

    name: Final = "claim sweeper"

    def __init__(self, *, claims: Claims, every: float = SWEEP_SECONDS) -> None:
        self._claims = claims
        self._every = every

    async def open(self) -> None:
        """Nothing to open."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        pause = self._every
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                pause = 0.1 if await self._sweep() == SWEEP_ROWS else self._every

    async def close(self) -> None:
        """Nothing is held."""

    async def _sweep(self) -> int:
        """How many claims were deleted. While the database is away they wait: nothing depends on it."""
        try:
            return await self._claims.delete_expired(at_most=SWEEP_ROWS)
        except AWAY as error:
            log.warning("expired claims wait", reason=type(error).__name__)
            return 0
