"""The scheduler's tables, a lane's log of timers in memory, and shards that fire on a real broker."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from tests.integration.kafka.conftest import KafkaStage

from tocsin.contracts.codec import decode_timer, encode
from tocsin.contracts.ids import recipient_key, run_timer_id
from tocsin.contracts.timers import EraseTimers, HurryTimer, SetTimer, TimerFired, TimerPrivate
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import (
    ConsumerRecord,
    FencedStored,
    FencedStoredShard,
    KafkaSettings,
    Offsets,
    PartitionBatch,
    ProducerRecord,
    TopicPartition,
    partition_for,
)
from tocsin.runtime import NO_FAILPOINTS, Failpoints, Health
from tocsin.scheduler.firing import FiringContext, ShardTimers
from tocsin.scheduler.migrations import MIGRATIONS
from tocsin.scheduler.timers_log import read
from tocsin.scheduler.timers_table import BEGINNING, FiringPosition, TimersTable
from tocsin.testing import ManualClock
from tocsin.testing.stage import Running

START = datetime.now(UTC).replace(microsecond=0)
"""The broker has a clock of its own, which nobody moves: news is of its time."""
TARGET = "intents"
NOTIFICATION = "00000000-0000-5000-8000-{:012d}"


def timer(number: int, due: datetime, *, topic: str = TARGET, turn: int = 0, **fields: Any) -> SetTimer:
    """The timer of notification `number`, for a recipient of its own."""
    notification = NOTIFICATION.format(number)
    return SetTimer(
        id=run_timer_id(notification=notification, turn=turn),
        tenant="acme",
        recipient=fields.pop("recipient", f"r{number}"),
        notification_id=notification,
        due=due,
        topic=topic,
        private=TimerPrivate(record=msgspec.Raw(f'{{"number":{number},"turn":{turn}}}'.encode())),
        cause="c/0/0",
        **fields,
    )


def hurry(number: int, step: str = "1") -> HurryTimer:
    notification = NOTIFICATION.format(number)
    return HurryTimer(
        tenant="acme", recipient=f"r{number}", notification_id=notification, step=step, cause="c/0/0"
    )


def erase(recipient: str) -> EraseTimers:
    return EraseTimers(tenant="acme", recipient=recipient, cause="c/0/0")


class Log:
    """One partition of `timers.bulk`, and a table that keeps what is written to it. `at`: the broker's time of the next record."""

    def __init__(self, table: TimersTable, partition: int = 0) -> None:
        self.table = table
        self.partition = TopicPartition("timers.bulk", partition)
        self.at = START
        self._offsets = itertools.count()
        self._expected: int | None = None
        self.count = 0

    async def write(self, *records: Any) -> Any:
        batch = [self._record(record) for record in records]
        self.said = read(batch, writable=[TARGET])
        moved = PartitionBatch(
            partition=self.partition, records=batch, expected=self._expected, next=batch[-1].offset + 1
        )
        kept = await self.table.keep([moved], self.said)
        self._expected = batch[-1].offset + 1
        self.count += kept.more
        assert await self.table.count([self.partition.partition]) == self.count
        return kept.earliest

    async def due(
        self, now: datetime, *, behind: FiringPosition = BEGINNING, most_bytes: int = 10_000
    ) -> list[tuple[int, int, bool]]:
        """Number, turn and whether it was hurried, of each that is due."""
        rows = await self.table.due(
            {self.partition.partition: behind}, now=now, at_most=100, most_bytes=most_bytes
        )
        contents = [(msgspec.json.decode(row.record), row.hurried) for row in rows]
        return [(content["number"], content["turn"], hurried) for content, hurried in contents]

    def _record(self, record: Any) -> ConsumerRecord:
        value = record if isinstance(record, bytes) else encode(record)
        return ConsumerRecord(
            self.partition.topic,
            self.partition.partition,
            next(self._offsets),
            int(self.at.timestamp() * 1000),
            b"acme/r",
            value,
        )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    settings = DatabaseSettings(url=SecretStr(database_url))
    database = Database(settings=settings, service="scheduler", check=Health().check("database"))
    await MIGRATIONS.upgrade(database.engine)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def table(database: Database) -> TimersTable:
    return TimersTable(database=database, group="scheduler.bulk", lane=Lane.BULK)


@pytest.fixture
def log(table: TimersTable) -> Log:
    return Log(table)


class Scheduling:
    """Topics `timers` and `intents`, and members that fire."""

    def __init__(self, stage: KafkaStage, database: Database, offsets: Offsets) -> None:
        self.stage = stage
        self.database = database
        self.offsets = offsets
        self.clock = ManualClock(START)

    def member(self, failpoints: Failpoints = NO_FAILPOINTS) -> Running:
        group = "scheduler.bulk"
        lane_group = self.stage.topic(group)
        table = TimersTable(database=self.database, group=lane_group, lane=Lane.BULK, failpoints=failpoints)
        context = FiringContext(
            lane=Lane.BULK, topics=Topics(self.stage.cluster.prefix), table=table, offsets=self.offsets, clock=self.clock,
            writable=[self.stage.topic(TARGET)], batch_records=1_000,
        )  # fmt: skip

        async def work(shard: FencedStoredShard) -> None:
            await ShardTimers(context, shard).run()

        ownership = FencedStored(table, cluster=self.stage.cluster, shards=2, failpoints=failpoints)
        return self.stage.group(
            work, ownership=ownership, group=group, topics=["timers"], failpoints=failpoints
        )

    async def set(self, *timers: SetTimer | HurryTimer | EraseTimers | TimerFired) -> None:
        await self.stage.publish(
            *(
                ProducerRecord(
                    self.stage.topic("timers"),
                    recipient_key("acme", getattr(timer, "recipient", "r")),
                    encode(timer),
                )
                for timer in timers
            )
        )

    def timer(self, number: int, **after: float) -> SetTimer:
        return timer(number, START + timedelta(**after), topic=self.stage.topic(TARGET))

    async def written(self) -> list[int]:
        """The numbers of the records that were due, checked to lie where their keys belong."""
        records = await self.stage.read(TARGET)
        for record in records:
            assert record.partition == partition_for(record.key or b"", 4)
        return sorted(msgspec.json.decode(record.value or b"")["number"] for record in records)

    async def fired(self) -> list[TimerFired]:
        records = [decode_timer(record.value or b"") for record in await self.stage.read("timers")]
        return [record for record in records if isinstance(record, TimerFired)]

    async def rows(self) -> int:
        async with self.database.driver() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM scheduler.timers"))


@pytest.fixture
async def scheduling(kafka_server: str, topic_prefix: str, database: Database) -> AsyncIterator[Scheduling]:
    settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    stage, offsets = KafkaStage(settings), Offsets(settings=settings)
    await stage.topics("timers", TARGET, "dead.scheduler", groups=["scheduler.bulk"])
    await offsets.open()
    try:
        yield Scheduling(stage, database, offsets)
    finally:
        await stage.close()
        await offsets.close()
