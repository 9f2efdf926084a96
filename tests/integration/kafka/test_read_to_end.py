"""The end of a log is where its last record is, not where the last stable offset happens to be."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tocsin.contracts.stops import decode_stop
from tocsin.kafka import (
    ConsumerRecord,
    NotReadToEnd,
    OffsetMissing,
    Offsets,
    ProducerRecord,
    Replica,
    ReplicaUnreadable,
    TopicFault,
    TopicPartition,
    read_to_end,
)
from tocsin.runtime.health import Health

pytestmark = pytest.mark.kafka


@pytest.fixture
async def transactions(stage) -> AsyncIterator[AIOKafkaProducer]:
    """A foreign transactional producer, to leave markers and open transactions behind."""
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers,
        transactional_id=f"{stage.settings.topic_prefix}foreign",
        transaction_timeout_ms=3000,
    )
    await producer.start()
    yield producer
    await producer.stop()


async def values(stage: Any, name: str, **more: Any) -> list[bytes]:
    batches = read_to_end(settings=stage.settings, topic=stage.topic(name), **{"deadline": 20} | more)
    return [record.value or b"" async for batch in batches for record in batch]


async def forget(stage, name: str, *, before: int) -> None:
    """Let partition 0 of the topic lose what lies before the offset, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.settings.bootstrap_servers)
    await admin.start()
    await admin.delete_records(
        {AioTopicPartition(stage.topic(name), 0): RecordsToDelete(before_offset=before)}
    )
    await admin.close()


async def test_reads_all_partitions_in_offset_order(stage):
    await stage.topics("log")
    await stage.publish(*(ProducerRecord(stage.topic("log"), b"k%d" % n, b"%d" % n) for n in range(2000)))
    records = await stage.read("log")
    assert sorted(int(record.value or b"") for record in records) == list(range(2000))
    for number in range(4):
        offsets = [record.offset for record in records if record.partition == number]
        assert offsets == sorted(offsets)


async def test_an_empty_log_ends_at_once(stage):
    await stage.topics("log")
    assert await values(stage, "log") == []


async def test_a_marker_at_the_end_is_no_reason_to_wait(stage, transactions):
    """Committed and aborted transactions: the last offsets of the log hold no record."""
    await stage.topics("log", partitions=1)
    for value, commit in ((b"kept", True), (b"dropped", False)):
        await transactions.begin_transaction()
        await transactions.send_and_wait(stage.topic("log"), value)
        await (transactions.commit_transaction() if commit else transactions.abort_transaction())
    assert await values(stage, "log") == [b"kept"]


async def test_an_open_transaction_is_waited_for(stage, transactions, until):
    await stage.topics("log", partitions=1)
    await stage.publish(ProducerRecord(stage.topic("log"), None, b"before"))
    await transactions.begin_transaction()
    await transactions.send_and_wait(stage.topic("log"), b"inside")
    await stage.publish(ProducerRecord(stage.topic("log"), None, b"after"))

    seen: list[ConsumerRecord] = []

    async def read() -> None:
        async for batch in read_to_end(settings=stage.settings, topic=stage.topic("log")):
            seen.extend(batch)

    reading = asyncio.create_task(read())
    await until(lambda: bool(seen))
    assert [record.value for record in seen] == [b"before"]
    with pytest.raises(NotReadToEnd, match="partition 0 at 1 of 3"):
        await values(stage, "log", deadline=0.3)
    assert not reading.done()
    await transactions.commit_transaction()
    await asyncio.wait_for(reading, 20)
    assert [record.value for record in seen] == [b"before", b"inside", b"after"]


async def test_begins_where_told_and_says_when_that_is_gone(stage):
    await stage.topics("log", partitions=2)
    await stage.publish(
        *(ProducerRecord(stage.topic("log"), None, b"%d" % n, partition=0) for n in range(10))
    )
    await stage.publish(ProducerRecord(stage.topic("log"), None, b"other", partition=1))
    assert sorted(await values(stage, "log", start={0: 7})) == [b"7", b"8", b"9", b"other"]
    assert await values(stage, "log", partitions=[0], start={0: 10}) == []
    await forget(stage, "log", before=3)
    with pytest.raises(OffsetMissing, match="log/0 is no longer kept"):
        await values(stage, "log", start={0: 2})
    assert sorted(await values(stage, "log", start={0: 9})) == [b"9", b"other"]
    assert await values(stage, "log", partitions=[0]) == [b"%d" % n for n in range(3, 10)]
    with pytest.raises(OffsetMissing, match="log/1 is no longer kept"):
        await values(stage, "log", start={0: 10, 1: 2})


async def test_a_topic_that_is_missing_names_the_command(stage):
    with pytest.raises(TopicFault, match="run `tocsin topics apply`"):
        await values(stage, "nowhere")


async def test_ends_are_those_above_open_transactions(stage, transactions):
    await stage.topics("log", partitions=1)
    await transactions.begin_transaction()
    await transactions.send_and_wait(stage.topic("log"), b"inside")
    offsets = Offsets(settings=stage.settings)
    await offsets.open()
    partition = TopicPartition(stage.topic("log"), 0)
    assert await offsets.ends([partition]) == {partition: 1}
    assert await offsets.starts([partition]) == {partition: 0}
    assert await offsets.partitions(stage.topic("log")) == 1
    await offsets.close()
    await transactions.abort_transaction()


async def test_a_replica_catches_up_then_follows(stage, until):
    await stage.topics("directory", partitions=2, compact=True)
    topic = stage.topic("directory")
    await stage.publish(*(ProducerRecord(topic, b"k%d" % (n % 50), b"%d" % n) for n in range(500)))
    state: dict[bytes | None, bytes | None] = {}
    health = Health(service="test")

    def apply(record: ConsumerRecord) -> None:
        if record.value is None:
            state.pop(record.key)
        else:
            state[record.key] = record.value

    replica = Replica(settings=stage.settings, topic=topic, apply=apply, health=health)
    assert None not in health.reasons().values()
    await replica.open()
    assert replica.caught_up.is_set()
    assert health.is_ready
    assert state == {b"k%d" % n: b"%d" % (450 + n) for n in range(50)}

    stop = asyncio.Event()
    following = asyncio.create_task(replica.run(stop))
    await stage.publish(ProducerRecord(topic, b"k0", None), ProducerRecord(topic, b"new", b"1"))
    await until(lambda: b"k0" not in state and state.get(b"new") == b"1")
    stop.set()
    await following
    await replica.close()


async def test_what_apply_raises_ends_the_replica(stage):
    await stage.topics("directory", partitions=1, compact=True)

    def refuse(record: ConsumerRecord) -> None:
        raise LookupError("not mine")

    replica = Replica(
        settings=stage.settings, topic=stage.topic("directory"), apply=refuse, health=Health(service="test")
    )
    await replica.open()
    await stage.publish(ProducerRecord(stage.topic("directory"), b"k", b"v"))
    with pytest.raises(LookupError, match="not mine"):
        await replica.run(asyncio.Event())
    await replica.close()


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_record_that_cannot_be_read_halts_the_service_with_a_sentence(stage, at_start):
    await stage.topics("directory", partitions=1, compact=True)
    topic = stage.topic("directory")

    def apply(record: ConsumerRecord) -> None:
        decode_stop(record.value or b"")

    replica = Replica(settings=stage.settings, topic=topic, apply=apply, health=Health())
    sentence = rf"The record {topic}/0/0 cannot be read .*: upgrade this service, or run `tocsin directory republish`"
    if at_start:
        await stage.publish(ProducerRecord(topic, b"k", b"{}"))
        with pytest.raises(ReplicaUnreadable, match=sentence):
            await replica.open()
        assert not replica.caught_up.is_set()
    else:
        await replica.open()
        await stage.publish(ProducerRecord(topic, b"k", b"{}"))
        with pytest.raises(ReplicaUnreadable, match=sentence):
            await replica.run(asyncio.Event())
    await replica.close()


async def test_a_record_that_cannot_be_read_does_no_harm_once_its_key_was_published_anew(stage):
    await stage.topics("directory", partitions=1, compact=True)
    topic = stage.topic("directory")
    values = {b"k": b"not JSON", b"other": b"1"}
    await stage.publish(*(ProducerRecord(topic, key, value) for key, value in values.items()))
    await stage.publish(ProducerRecord(topic, b"k", b"2"))
    state: dict[bytes | None, int] = {}

    def apply(record: ConsumerRecord) -> None:
        state[record.key] = msgspec.json.decode(record.value or b"", type=int)

    replica = Replica(settings=stage.settings, topic=topic, apply=apply, health=Health())
    await replica.open()
    assert state == {b"k": 2, b"other": 1}
    await replica.close()


async def test_a_replica_waits_for_its_topic_and_says_so(stage, until):
    health = Health(service="test")
    topic = stage.topic("later")
    replica = Replica(settings=stage.settings, topic=topic, apply=lambda _: None, health=health)
    opening = asyncio.create_task(replica.open())
    (name,) = health.reasons()
    await until(lambda: "There is no topic" in (health.reasons()[name] or ""))
    await stage.topics("later", compact=True)
    await asyncio.wait_for(opening, 30)
    assert health.is_ready
    await replica.close()
