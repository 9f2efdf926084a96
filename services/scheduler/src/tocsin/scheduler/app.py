"""How the scheduler is put together."""

from functools import partial

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.database import Database
from tocsin.kafka import ConsumerGroup, FencedStored, FencedStoredShard, KafkaCluster, Offsets, timeouts_for
from tocsin.runtime import FunctionComponent, Health, Service, SystemClock, arm
from tocsin.scheduler.firing import SERVICE, FiringContext, ShardTimers
from tocsin.scheduler.migrations import MIGRATIONS
from tocsin.scheduler.one_prefix import require_own_timers
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.scheduler.timers_table import TimersTable
from tocsin.web.operations import operations_app


def build(settings: SchedulerSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""
    health, clock, failpoints = Health(service=SERVICE), SystemClock(), arm(settings.failpoints)
    topics, cluster = Topics(settings.kafka.topic_prefix), KafkaCluster(settings.kafka)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    database = Database(
        settings=settings.database, service=SERVICE, check=health.check("database"), migrations=MIGRATIONS
    )
    offsets = Offsets(settings=settings.kafka)

    def group(lane: Lane) -> ConsumerGroup[FencedStoredShard]:
        name = topics.group(SERVICE, lane)
        writable = [topics.intents(lane), *(topics.jobs(channel, lane) for channel in Channel)]
        table = TimersTable(database=database, group=name, lane=lane, failpoints=failpoints)
        context = FiringContext(
            lane=lane,
            topics=topics,
            table=table,
            offsets=offsets,
            clock=clock,
            writable=writable,
            batch_records=settings.batch_records,
        )

        async def work(shard: FencedStoredShard) -> None:
            await ShardTimers(context, shard).run()

        return ConsumerGroup(
            cluster=cluster,
            group=name,
            topics=[topics.timers(lane)],
            written=writable,
            ownership=FencedStored(
                table, cluster=cluster, shards=settings.shards, limits=limits, failpoints=failpoints
            ),
            work=work,
            timeouts=timeouts_for(lane),
            health=health,
            clock=clock,
            buffer_records=settings.batch_records,
            failpoints=failpoints,
        )

    return Service(
        operations=operations_app(name=SERVICE, health=health),
        health=health,
        components=[
            database,
            FunctionComponent(
                name="one topic prefix", open=partial(require_own_timers, database, topics, settings.lanes)
            ),
            FunctionComponent(name="offsets", open=offsets.open, close=offsets.close),
            *(group(lane) for lane in settings.lanes),
        ],
    )
