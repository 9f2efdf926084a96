"""`python -m tocsin.scheduler adopt`: the timers of a former topic prefix wait under this one, each once, and in their order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from tests.integration.kafka.conftest import KafkaStage

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.timers import SetTimer, TimerFired
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, TimerEnd
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import (
    ConsumerRecord,
    GroupAtWork,
    KafkaSettings,
    Limits,
    PartitionBatch,
    ProducerRecord,
    TopicPartition,
    TransactionalProducer,
    TransactionFailed,
    partition_for,
)
from tocsin.runtime import OperatorError
from tocsin.scheduler.adopting import adopt
from tocsin.scheduler.one_prefix import SERVICE, require_own_timers
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.scheduler.timers_log import read
from tocsin.scheduler.timers_table import TimersTable
from tocsin.testing.until import until

from .conftest import START, Scheduling, timer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LANE = Lane.BULK
FORMER_PARTITIONS, PARTITIONS = 4, 12
PEOPLE = [f"r{number}" for number in range(20)]


@dataclass
class Move:
    """Two prefixes on one broker, with the topics that a scheduler of the bulk lane reads, and one database."""

    former: KafkaStage
    new: KafkaStage
    database: Database
    url: str

    @property
    def from_(self) -> Topics:
        return Topics(self.former.settings.topic_prefix)

    @property
    def to(self) -> Topics:
        return Topics(self.new.settings.topic_prefix)

    async def adopt(self) -> int | None:
        settings = SchedulerSettings(
            kafka=self.new.settings, database=DatabaseSettings(url=SecretStr(self.url)), lanes=[LANE]
        )
        return (await adopt(settings, self.from_.prefix))[LANE]

    def set(self, number: int, recipient: str) -> ProducerRecord:
        """The timer of a notification of its own; `number` says how late it is due."""
        record = timer(
            number, START + timedelta(hours=number // 20), recipient=recipient, topic=self.from_.intents(LANE)
        )
        return self.write(record, recipient)

    def write(self, record: SetTimer | TimerFired, recipient: str) -> ProducerRecord:
        return ProducerRecord(self.from_.timers(LANE), recipient_key("acme", recipient), encode(record))

    async def keep(self, records: Sequence[ConsumerRecord]) -> None:
        """As the former scheduler did, of one partition."""
        table = TimersTable(database=self.database, group=self.from_.group(SERVICE, LANE), lane=LANE)
        partition = TopicPartition(records[0].topic, records[0].partition)
        end = records[-1].offset + 1
        batch = PartitionBatch(partition=partition, records=records, expected=None, next=end)
        await table.keep([batch], read(records, writable=[self.from_.intents(LANE)]))

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.driver() as connection:
            return [tuple(row) for row in await connection.fetch(statement)]


@pytest.fixture
async def move(kafka_server: str, topic_prefix: str, database: Database, database_url: str) -> AsyncIterator[Move]:  # fmt: skip
    stages = []
    for prefix, partitions in ((topic_prefix, FORMER_PARTITIONS), (f"{topic_prefix}new.", PARTITIONS)):
        stage = KafkaStage(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=prefix))
        names = [f"{family}.{LANE}" for family in ("timers", "intents")]
        await stage.topics(*names, groups=[f"{SERVICE}.{LANE}"], partitions=partitions)
        stages.append(stage)
    yield Move(stages[0], stages[1], database, database_url)
    for stage in stages:
        await stage.close()


async def test_each_waits_in_its_own_partition_once_and_in_order(move: Move) -> None:
    """Some are rows, some stand in the log alone, and one of each has fired."""
    await move.former.publish(*(move.set(number, PEOPLE[number % 20]) for number in range(40)))
    by_partition: dict[int, list[ConsumerRecord]] = {}
    for record in await move.former.read(f"timers.{LANE}"):
        by_partition.setdefault(record.partition, []).append(record)
    for records in by_partition.values():
        await move.keep(records)
    fired = [timer(number, START) for number in (3, 45)]
    await move.former.publish(*(move.set(number, PEOPLE[number % 20]) for number in range(40, 60)))
    await move.former.publish(
        *(move.write(TimerFired(id=one.id, how=TimerEnd.DUE), PEOPLE[number % 20]) for number, one in zip((3, 45), fired, strict=True))
    )  # fmt: skip
    with pytest.raises(OperatorError, match="adopt"):
        await require_own_timers(move.database, move.to, [LANE])

    assert await move.adopt() == 58

    rows = await move.rows(
        "SELECT recipient, kafka_partition, topic, due, kafka_offset FROM scheduler.timers"
    )
    assert len(rows) == 58
    assert {topic for _, _, topic, _, _ in rows} == {move.to.intents(LANE)}
    for recipient, partition, *_ in rows:
        assert partition == partition_for(recipient_key("acme", recipient), PARTITIONS)
    places = {offset for *_, offset in rows}
    assert (len(places), max(places)) == (58, -1)
    for person in PEOPLE:
        own = sorted((offset, due) for recipient, _, _, due, offset in rows if recipient == person)
        assert [due for _, due in own] == sorted(due for _, due in own)
    groups = await move.rows("SELECT consumer_group, count(*) FROM scheduler.positions GROUP BY 1")
    assert groups == [(move.to.group(SERVICE, LANE), PARTITIONS)]
    await require_own_timers(move.database, move.to, [LANE])
    with pytest.raises(OperatorError, match="belong to the topic prefix"):
        await require_own_timers(move.database, move.from_, [LANE])


async def test_a_former_scheduler_that_was_frozen_goes_on_no_more(move: Move) -> None:
    """What it does first when it has lost its shards and joins anew is to load its positions."""
    await move.former.publish(*(move.set(number, "r1") for number in range(3)))
    former = TimersTable(database=move.database, group=move.from_.group(SERVICE, LANE), lane=LANE)
    partition = TopicPartition(move.from_.timers(LANE), 0)
    await former.load_positions([partition])
    await move.adopt()
    with pytest.raises(OperatorError, match="belong to the topic prefix"):
        await former.load_positions([partition])


async def test_positions_of_both_prefixes_are_a_sentence_that_says_what_to_do(move: Move) -> None:
    """As of an installation that has changed its prefix before there was this command."""
    for topics in (move.from_, move.to):
        await move.rows(
            f"INSERT INTO scheduler.positions (consumer_group, topic, kafka_partition, next_offset) VALUES ('{topics.group(SERVICE, LANE)}', '{topics.timers(LANE)}', 0, 0)"
        )
    with pytest.raises(
        OperatorError,
        match=f"rows with consumer_group = '{move.from_.group(SERVICE, LANE)}' out of scheduler.positions",
    ):
        await move.adopt()


async def test_a_second_time_nothing_is_read_again(move: Move) -> None:
    await move.former.publish(*(move.set(number, "r1") for number in range(3)))
    assert await move.adopt() == 3
    await move.rows("DELETE FROM scheduler.timers")  # they have fired since
    assert await move.adopt() is None
    assert await move.rows("SELECT 1 FROM scheduler.timers") == []


async def test_whoever_of_the_former_ones_is_only_frozen_can_write_no_more(move: Move) -> None:
    group = move.from_.group(SERVICE, LANE)
    frozen = TransactionalProducer(
        settings=move.former.settings, transactional_id=f"{group}.1", group=group, limits=Limits({})
    )
    await frozen.open()
    try:
        assert await move.adopt() == 0
        with pytest.raises(TransactionFailed):
            await frozen.run([ProducerRecord(move.from_.intents(LANE), b"acme/r1", b"{}")], {})
    finally:
        await frozen.close()


async def test_while_schedulers_of_the_former_prefix_work_nothing_is_moved(
    move: Move, scheduling: Scheduling
) -> None:
    member = await scheduling.member().start()
    await until(lambda: member.partitions > 0)
    try:
        with pytest.raises(GroupAtWork, match=r"scheduler\.bulk"):
            await move.adopt()
    finally:
        await member.leave()
