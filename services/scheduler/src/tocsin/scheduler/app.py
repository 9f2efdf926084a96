"""How the scheduler is put together."""

from functools import partial
from typing import Final

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database
from tocsin.kafka import ConsumerGroup, FencedStored, FencedStoredShard, KafkaCluster, Offsets, timeouts_for
from tocsin.runtime import FunctionComponent, Health, Service, SystemClock, arm
from tocsin.scheduler.firing import ShardTimers
from tocsin.scheduler.migrations import MIGRATIONS
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.scheduler.timers_table import TimersTable
from tocsin.web.operations import operations_app

NAME: Final = "scheduler"


def build(settings: SchedulerSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""
    health, clock, failpoints = Health(service=NAME), SystemClock(), arm(settings.failpoints)
    topics, cluster = Topics(settings.kafka.topic_prefix), KafkaCluster(settings.kafka)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    database = Database(
        settings=settings.database, service=NAME, check=health.check("database"), migrations=MIGRATIONS
    )
    offsets = Offsets(settings=settings.kafka)

    async def work(shard: FencedStoredShard, *, lane: Lane, table: TimersTable) -> None:
        await ShardTimers(
            shard, lane=lane, table=table, offsets=offsets, clock=clock, batch_records=settings.batch_records
        ).run()

    groups = []
    for lane in settings.lanes:
        group = topics.group(NAME, lane)
        writable = [
            topic.name
            for topic in topics.all()
            if topic.lane is lane and NAME in topic.writers and topic.family != "timers"
        ]
        table = TimersTable(
            database=database, group=group, lane=lane, writable=writable, failpoints=failpoints
        )
        groups.append(
            ConsumerGroup(
                cluster=cluster,
                group=group,
                topics=[topics.timers(lane)],
                written=writable,
                ownership=FencedStored(
                    table, cluster=cluster, shards=settings.shards, limits=limits, failpoints=failpoints
                ),
                work=partial(work, lane=lane, table=table),
                timeouts=timeouts_for(lane),
                health=health,
                clock=clock,
                buffer_records=settings.batch_records,
                failpoints=failpoints,
            )
        )
    return Service(
        operations=operations_app(name=NAME, health=health),
        health=health,
        components=[
            database,
            FunctionComponent(name="offsets", open=offsets.open, close=offsets.close),
            *groups,
        ],
    )
