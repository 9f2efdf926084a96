"""How the ledger is put together."""

from fastapi import FastAPI
from pydantic import SecretStr

from tocsin.contracts.topics import Topics
from tocsin.database import Database, DatabaseSettings, create_engine
from tocsin.kafka import OTHERS, ConsumerGroup, Fetching, KafkaCluster, Projection, Replica, StoredPositions
from tocsin.ledger.days import Days
from tocsin.ledger.key_feed import KeyFeed
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.projecting import DEAD_LETTERS, STATUSES, ProjectedTable
from tocsin.ledger.reading import Ledger
from tocsin.ledger.settings import LedgerSettings
from tocsin.ledger.timelines_api import timeline_routes
from tocsin.runtime import Component, Health, Service, SystemClock
from tocsin.web import KeyTable, service_app

DEAD_LANE = "none"
"""Dead letters have no lane; metrics say so."""


def create_app(
    *, ledger: Ledger | None = None, keys: KeyTable | None = None, health: Health | None = None
) -> FastAPI:
    """The HTTP surface. Without `ledger` it describes itself: enough for OpenAPI; nothing connects."""
    app = service_app(
        name="ledger",
        health=health or Health(service="ledger"),
        summary="Answers for what happened to every message.",
        keys=keys,
    )
    app.include_router(timeline_routes(ledger or _unconnected()))
    return app


def build(settings: LedgerSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""
    health, clock, keys = Health(service="ledger"), SystemClock(), KeyTable()
    topics = Topics(settings.kafka.topic_prefix)
    database = Database(
        settings=settings.database, service="ledger", check=health.check("database"), migrations=MIGRATIONS
    )
    days = Days(database=database, clock=clock, retention_days=settings.retention_days)
    replica = Replica(
        settings=settings.kafka, topic=topics.directory, apply=KeyFeed(keys=keys).apply, health=health
    )
    components: list[Component] = [database, days, replica]
    for group, own in _groups(topics, settings).items():
        dead = group == topics.group("ledger", "dead")
        lane, kind = (DEAD_LANE, DEAD_LETTERS) if dead else (group.rpartition(".")[2], STATUSES)
        table = ProjectedTable(database=database, days=days, group=group, lane=lane, kind=kind, clock=clock)
        components.append(
            ConsumerGroup(
                cluster=KafkaCluster(settings.kafka),
                group=group,
                topics=own,
                ownership=StoredPositions(table),
                work=Projection(table, batch_records=settings.batch_records).work,
                timings=OTHERS,
                health=health,
                clock=clock,
                fetching=_fetching(settings.gather),
                buffer_records=settings.batch_records,
            )
        )
    app = create_app(ledger=Ledger(engine=database.engine), keys=keys, health=health)
    return Service(app=app, health=health, components=components)


def _fetching(gather: float) -> Fetching:
    """A transaction costs the same for one row and for hundreds. Without a wait, at once."""
    partition_bytes = 262_144
    if not gather:
        return Fetching(partition_bytes=partition_bytes)
    return Fetching(least_bytes=262_144, wait=gather, partition_bytes=partition_bytes)


def _groups(topics: Topics, settings: LedgerSettings) -> dict[str, tuple[str, ...]]:
    """The ledger's groups and their topics, of the lanes this process serves; dead letters belong to all."""
    wanted = {topics.group("ledger", "dead"), *(topics.group("ledger", lane) for lane in settings.lanes)}
    return {one.name: one.topics for one in topics.groups() if one.service == "ledger" and one.name in wanted}


def _unconnected() -> Ledger:
    nowhere = DatabaseSettings(url=SecretStr("postgresql://nowhere.invalid/none"))
    return Ledger(engine=create_engine(nowhere, application="ledger"))
