"""How the ledger is put together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database, DatabaseSettings, create_engine
from tocsin.kafka import (
    OTHERS,
    ConsumerGroup,
    CopyAge,
    Fetching,
    KafkaCluster,
    KafkaSettings,
    Projection,
    Publisher,
    RecordReader,
    Replica,
    StoredPositions,
    TopicPartition,
)
from tocsin.ledger.day_partitions import DayPartitions
from tocsin.ledger.dead_letters import DeadLetterReader
from tocsin.ledger.dead_letters_api import dead_letter_routes
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.overdue import OverdueSweep, ReadUntil
from tocsin.ledger.projected_table import ProjectedTable
from tocsin.ledger.reading import TimelineReader
from tocsin.ledger.redrive_runner import RedriveRunner
from tocsin.ledger.redrives import Redrives
from tocsin.ledger.redrives_api import EventLogs, no_event_logs, redrive_routes
from tocsin.ledger.sandboxed_webhooks import KafkaRecords, SandboxedWebhookReader
from tocsin.ledger.sandboxed_webhooks_api import sandboxed_webhook_routes
from tocsin.ledger.settings import LedgerSettings
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES
from tocsin.ledger.timelines_api import timeline_routes
from tocsin.runtime import BODIES_BYTES, Api, Clock, Health, Service, SystemClock, arm
from tocsin.web import (
    ASK_SPACING,
    BringUpToNow,
    KeyTable,
    Network,
    nothing_newer,
    operations_app,
    service_app,
    up_to_now,
)

PARTITION_BYTES = 262_144
"""One answer of the broker holds so much of one partition, and gathers as much in all."""
DEAD_LANE = "none"
"""Dead letters have no lane; metrics say so."""


def create_app(
    *,
    reader: TimelineReader | None = None,
    dead_letters: DeadLetterReader | None = None,
    redrives: Redrives | None = None,
    event_logs: EventLogs = no_event_logs,
    sandboxed: SandboxedWebhookReader | None = None,
    clock: Clock | None = None,
    keys: KeyTable | None = None,
    bring_up_to_now: BringUpToNow = nothing_newer,
    trusted_proxies: Sequence[Network] = (),
    max_bodies_bytes: int = BODIES_BYTES,
    health: Health | None = None,
) -> FastAPI:
    """The HTTP surface. Without readers it describes itself: enough for OpenAPI; nothing connects."""
    app = service_app(
        name="ledger",
        health=health or Health(service="ledger"),
        summary="Answers for what happened to every message.",
        keys=keys,
        bring_up_to_now=bring_up_to_now,
        trusted_proxies=trusted_proxies,
        max_bodies_bytes=max_bodies_bytes,
    )
    app.include_router(timeline_routes(reader or TimelineReader(engine=_unconnected())))
    app.include_router(dead_letter_routes(dead_letters or DeadLetterReader(engine=_unconnected())))
    redrives = redrives or Redrives(engine=_unconnected())
    app.include_router(redrive_routes(redrives, event_logs=event_logs, clock=clock))
    sandboxed = sandboxed or SandboxedWebhookReader(engine=_unconnected(), topics=Topics())
    app.include_router(sandboxed_webhook_routes(sandboxed))
    return app


def build(settings: LedgerSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""
    health, clock, keys = Health(service="ledger"), SystemClock(), KeyTable()
    topics = Topics(settings.kafka.topic_prefix)
    database = Database(
        settings=settings.database, service="ledger", check=health.check("database"), migrations=MIGRATIONS
    )
    days = DayPartitions(database=database, clock=clock, retention_days=settings.retention_days)
    replica = Replica(settings=settings.kafka, topic=topics.directory, apply=keys.apply, health=health)
    age = CopyAge(settings=settings.kafka, copy=replica, spacing=ASK_SPACING, clock=clock)
    # A transaction costs the same for one row and for hundreds, so records may gather at the broker. Without a wait: at once.
    least_bytes = PARTITION_BYTES if settings.gather else 1
    fetching = Fetching(least_bytes=least_bytes, wait=settings.gather or 0.5, partition_bytes=PARTITION_BYTES)
    topics_of = {group.name: group.topics for group in topics.groups()}
    projected = [
        (topics.group("ledger", lane), lane.value, STATUSES) for lane in Lane if lane in settings.lanes
    ]
    projected.append((topics.group("ledger", "dead"), DEAD_LANE, DEAD_LETTERS))
    failpoints = arm(settings.failpoints)
    groups, read_until = [], dict[Lane, ReadUntil]()
    for group, lane, table in projected:
        store = ProjectedTable(
            database=database,
            days=days,
            group=group,
            lane=lane,
            table=table,
            clock=clock,
            failpoints=failpoints,
        )
        groups.append(
            ConsumerGroup(
                cluster=KafkaCluster(settings.kafka),
                group=group,
                topics=topics_of[group],
                ownership=StoredPositions(store),
                work=Projection(store, batch_records=settings.batch_records).work,
                timeouts=OTHERS,
                health=health,
                clock=clock,
                fetching=fetching,
                buffer_records=settings.batch_records,
                failpoints=failpoints,
            )
        )
        if table is STATUSES:
            read_until[Lane(lane)] = partial(_read_until, groups[-1])
    sweep = OverdueSweep(
        database=database, clock=clock, read_until=read_until, retention_days=settings.retention_days
    )
    publisher = Publisher(
        settings=settings.kafka,
        health=health,
        limits={topic.name: topic.max_message_bytes for topic in topics.all()},
    )
    runner = RedriveRunner(
        database=database,
        settings=settings.kafka,
        publisher=publisher,
        clock=clock,
        retention_days=settings.retention_days,
        failpoints=failpoints,
    )
    app = create_app(
        reader=TimelineReader(engine=database.engine),
        dead_letters=DeadLetterReader(engine=database.engine),
        redrives=Redrives(engine=database.engine),
        event_logs=partial(_event_logs, settings.kafka, topics),
        sandboxed=SandboxedWebhookReader(
            engine=database.engine, topics=topics, records=KafkaRecords(settings.kafka)
        ),
        clock=clock,
        keys=keys,
        bring_up_to_now=up_to_now(age.catch_up, service="ledger"),
        trusted_proxies=settings.http.trusted_proxies,
        max_bodies_bytes=settings.http.bodies_bytes,
        health=health,
    )
    return Service(
        operations=operations_app(name="ledger", health=health),
        api=Api(app=app, settings=settings.http),
        health=health,
        components=[database, days, replica, age, *groups, sweep, publisher, runner],
    )


def _read_until(group: ConsumerGroup[Any]) -> dict[int, datetime]:
    return {
        partition.partition: datetime.fromtimestamp(moment / 1000, UTC)
        for partition, moment in group.handled_until_ms().items()
    }


async def _event_logs(settings: KafkaSettings, topics: Topics) -> Mapping[TopicPartition, int]:
    """Asked for each re-drive that is counted, which is seldom: no client is kept for it."""
    reader = RecordReader(settings=settings)
    try:
        await reader.open()
        return await reader.starts(topics.events(lane) for lane in Lane)
    finally:
        await reader.close()


def _unconnected() -> AsyncEngine:
    nowhere = DatabaseSettings(url=SecretStr("postgresql://nowhere.invalid/none"))
    return create_engine(nowhere, application="ledger")
