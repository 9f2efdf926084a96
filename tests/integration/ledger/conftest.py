"""The ledger's tables on a real PostgreSQL, and what goes into them."""

import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.ids import delivery_id, notification_id, status_id
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.statuses import (
    ChannelDecision,
    EventRef,
    RuleOutcome,
    StatusRecord,
    Target,
    decision_of,
    status_of,
)
from tocsin.contracts.vocabulary import Lane, Outcome, StatusName
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import ConsumerRecord, PartitionBatch, TopicPartition
from tocsin.ledger import create_app
from tocsin.ledger.day_partitions import DayPartitions
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.projected_table import ProjectedTable
from tocsin.ledger.reading import TimelineReader
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES
from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.web import KeyTable, new_key

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class LedgerDatabase:
    """One database with the ledger's schema."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.days = DayPartitions(database=database, clock=clock, retention_days=30)
        self.reader = TimelineReader(engine=database.engine)

    def table(self, group: str = "ledger.bulk", **more: Any) -> ProjectedTable:
        return ProjectedTable(
            database=self.database,
            days=self.days,
            group=group,
            lane="bulk",
            table=DEAD_LETTERS if group == "ledger.dead" else STATUSES,
            clock=self.clock,
            **more,
        )

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]


@pytest.fixture
async def ledger_database(database_url: str) -> AsyncIterator[LedgerDatabase]:
    settings = DatabaseSettings(url=SecretStr(database_url))
    database = Database(settings=settings, service="ledger", check=Health(service="ledger").check("database"))
    await MIGRATIONS.upgrade(database.engine)
    yield LedgerDatabase(database, ManualClock(START))
    await database.close()


class Log:
    """Writes statuses as records of one partition, a second apart."""

    def __init__(self, partition: int = 0, topic: str = "status.bulk") -> None:
        self.partition = TopicPartition(topic, partition)
        self._offsets = itertools.count()

    def record(self, value: bytes | None, *, at: datetime | None = None, **fields: Any) -> ConsumerRecord:
        offset = next(self._offsets)
        when = at or START + timedelta(seconds=offset)
        given: dict[str, Any] = {"key": b"k", "value": value} | fields
        topic, number = self.partition
        return ConsumerRecord(
            topic=topic, partition=number, offset=offset, timestamp_ms=round(when.timestamp() * 1000), **given
        )

    def status(self, status: StatusRecord, *, at: datetime | None = None) -> ConsumerRecord:
        return self.record(encode(status), at=at)

    def batch(self, *records: ConsumerRecord, expected: int | None) -> PartitionBatch:
        return PartitionBatch(
            partition=self.partition, records=records, expected=expected, next=records[-1].offset + 1
        )


def statuses_of(
    recipient: str,
    *channels: str,
    tenant: str = "acme",
    event: str = "e1",
    origin: str = "events/0/1",
    **fields: Any,
) -> list[StatusRecord]:
    """A decision that routes to each channel, then `sent` on each."""
    workflow, lane = fields.pop("workflow", "hello"), fields.pop("lane", Lane.BULK)
    at, cause = fields.pop("at", START), fields.pop("cause", origin)
    notification = notification_id(
        tenant=tenant, source="s", event_id=event, recipient=recipient, workflow=workflow
    )
    intent = Intent(
        tenant=tenant, notification_id=notification, event_source="s", event_id=event, event_type="t", event_time=at,
        workflow=workflow, recipient=recipient, lane=lane, private=IntentPrivate(), origin=origin, cause=origin,
    )  # fmt: skip
    rules = [RuleOutcome(rule="preference", outcome="passes", input={"email": True})]
    decided, sent = list[ChannelDecision](), list[StatusRecord]()
    for channel in channels:
        delivery = delivery_id(notification=notification, channel=channel, step="1", address_key=channel)
        target = Target(delivery, channel, None, "routed", None, None)
        decided.append(ChannelDecision(step="1", channel=channel, rules=rules, targets=[target]))
        about = EventRef(tenant=tenant, event_id=event, event_source="s", origin=origin)
        status = status_of(
            StatusName.SENT, about, lane=lane, cause=f"jobs/0/{channel}", at=at + timedelta(seconds=2), provider="smtp",
            notification_id=notification, recipient=recipient, workflow=workflow, delivery_id=delivery, channel=channel,
            address_key=channel,
        )  # fmt: skip
        sent.append(
            msgspec.structs.replace(
                status, status_id=status_id(subject=delivery, status="sent", cause=status.cause)
            )
        )
    decision = decision_of(
        intent, Outcome.DECIDED, lane=lane, cause=cause, at=at + timedelta(seconds=1),
        rules=[RuleOutcome(rule="expiry", outcome="alive")], **({"channels": decided} | fields),
    )  # fmt: skip
    return [decision, *sent]


@pytest.fixture(name="statuses_of")
def statuses_of_fixture() -> Callable[..., list[StatusRecord]]:
    return statuses_of


@pytest.fixture(name="log")
def log_fixture() -> type[Log]:
    return Log


class TimelinesClient:
    """Asks for timelines with the key of a tenant, and stores statuses to ask for."""

    def __init__(
        self, client: httpx.AsyncClient, keys: dict[str, str], ledger_database: Any, log: Any
    ) -> None:
        self._client = client
        self._keys = keys
        self._ledger_database = ledger_database
        self._log = log
        self._next: int | None = None

    async def store(self, *statuses: StatusRecord, days: float = 0) -> None:
        at = self._ledger_database.clock.now() + timedelta(days=days)
        records = [
            self._log.status(status, at=at + timedelta(milliseconds=number))
            for number, status in enumerate(statuses)
        ]
        batch = self._log.batch(*records, expected=self._next)
        await self._ledger_database.table().apply([batch])
        self._next = batch.next
        self._ledger_database.clock.advance(1)

    async def get(self, path: str, *, key: str = "acme", **query: Any) -> httpx.Response:
        return await self._client.get(
            path, params=query, headers={"authorization": f"Bearer {self._keys[key]}"}
        )

    async def list(self, **query: Any) -> list[Any]:
        answer = await self.get("/v1/timelines", **query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])


@pytest.fixture
async def timelines(ledger_database: Any, log: Any) -> AsyncIterator[TimelinesClient]:
    table, keys = KeyTable(), {}
    callers: list[tuple[str, Scope]] = [("acme", "read"), ("other", "read"), ("sender", "send")]
    for tenant, scope in callers:
        key = new_key("live")
        keys[tenant] = key.reveal()
        table.put(ApiKeyRecord(tenant=tenant, id=key.id, mode="live", sha256=key.sha256, scopes=[scope]))
    app = create_app(reader=ledger_database.reader, keys=table)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        yield TimelinesClient(client, keys, ledger_database, log())
