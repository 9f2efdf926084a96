"""The publisher: durable when it answers, honest when it cannot know."""

import asyncio

import psutil
import pytest

from tocsin.dev import KafkaServer
from tocsin.kafka import (
    Admin,
    KafkaSettings,
    NotStored,
    Overloaded,
    ProducerBroken,
    ProducerRecord,
    Publisher,
    RecordTooLarge,
    TopicSpec,
    partition_for,
    read_to_end,
)
from tocsin.runtime.health import Health

pytestmark = pytest.mark.kafka


async def test_answers_with_the_place_of_each_record_in_order(stage):
    await stage.topics("events")
    topic = stage.topic("events")
    few = await stage.publish(
        ProducerRecord(topic, b"k1", b"a"), ProducerRecord(topic, None, b"b", partition=3)
    )
    assert (few[0].partition, few[0].offset) == (partition_for(b"k1", 4), 0)
    assert few[1].partition == 3
    many = await stage.publish(*(ProducerRecord(topic, b"k%d" % n, b"%d" % n) for n in range(5000)))
    records = {record.ref: record for record in await stage.read("events")}
    assert [records[stored.ref].value for stored in many] == [b"%d" % n for n in range(5000)]
    assert all(records[stored.ref].timestamp_ms == stored.timestamp_ms for stored in many)


async def test_headers_and_tombstones_arrive_as_sent(stage):
    await stage.topics("events", partitions=1)
    headers = (("ce_id", b"1"), ("tr\N{LATIN SMALL LETTER A WITH DIAERESIS}ce", b""))
    for count in (1, 10):
        await stage.publish(
            *(ProducerRecord(stage.topic("events"), b"k", None, headers) for _ in range(count))
        )
    records = await stage.read("events")
    assert [(record.key, record.value, record.headers) for record in records] == [(b"k", None, headers)] * 11


async def test_thousands_of_callers_at_once(stage):
    await stage.topics("events")
    publisher = Publisher(settings=stage.settings, health=Health(service="test"))
    await publisher.open()
    answers = await asyncio.gather(
        *(
            publisher.publish([ProducerRecord(stage.topic("events"), b"k%d" % n, b"v")], timeout=30)
            for n in range(3000)
        )
    )
    assert len({answer[0].ref for answer in answers}) == 3000
    assert publisher.held_bytes == 0
    await publisher.close()


async def test_refuses_before_sending(stage):
    await stage.topics("events", partitions=1)
    publisher = Publisher(settings=stage.settings, health=Health(service="test"), max_bytes=10_000)
    await publisher.open()
    topic = stage.topic("events")
    with pytest.raises(Overloaded):
        await publisher.publish([ProducerRecord(topic, b"k", b"x" * 6000)] * 2, timeout=5)
    with pytest.raises(RecordTooLarge, match="takes"):
        await publisher.publish(
            [ProducerRecord(topic, b"k", b"ok"), ProducerRecord(topic, b"k", b"x" * 2**20)], timeout=5
        )
    assert publisher.held_bytes == 0
    assert await stage.read("events") == []
    await publisher.close()


async def test_a_missing_topic_is_not_stored(stage):
    await stage.topics("events")
    publisher = Publisher(settings=stage.settings, health=Health(service="test"))
    await publisher.open()
    with pytest.raises(NotStored):
        await publisher.publish([ProducerRecord(stage.topic("nowhere"), b"k", b"v")], timeout=0.5)
    assert publisher.held_bytes == 0
    await publisher.close()


async def test_a_refused_batch_ends_the_process(stage):
    """The broker checks sequence numbers: after a refusal every later record of the partition would be refused."""
    admin = Admin(settings=stage.settings)
    await admin.open()
    spec = TopicSpec(name=stage.topic("small"), partitions=1, max_message_bytes=1000)
    await admin.apply(await admin.plan([spec]))
    await admin.close()
    health = Health(service="test")
    publisher = Publisher(settings=stage.settings, health=health, limits={spec.name: 10_000})
    await publisher.open()
    running = asyncio.create_task(publisher.run(asyncio.Event()))
    with pytest.raises(NotStored, match="MessageSizeTooLarge"):
        await publisher.publish([ProducerRecord(spec.name, b"k", b"x" * 5000)], timeout=10)
    with pytest.raises(ProducerBroken):
        await asyncio.wait_for(running, 10)
    assert not health.is_ready
    await publisher.close()


async def test_a_frozen_broker_is_not_stored_then_stored_once(tmp_path, until):
    """Giving up frees the caller, not the bytes; what was given up may be stored later, and only once."""
    with KafkaServer(tmp_path / "broker") as server:
        settings = KafkaSettings(bootstrap_servers=server.bootstrap_servers, topic_prefix="t.")
        admin = Admin(settings=settings)
        await admin.open()
        await admin.apply(await admin.plan([TopicSpec(name="t.events", partitions=1)]))
        await admin.close()
        publisher = Publisher(settings=settings, health=Health(service="test"), max_bytes=10_000)
        await publisher.open()
        await publisher.publish([ProducerRecord("t.events", b"k", b"before")], timeout=10)
        assert server.pid is not None
        broker = psutil.Process(server.pid)
        broker.suspend()
        try:
            await until(lambda: broker.status() == psutil.STATUS_STOPPED)
            with pytest.raises(NotStored, match=r"within 0\.3 s"):
                await publisher.publish([ProducerRecord("t.events", b"k", b"x" * 6000)], timeout=0.3)
            assert publisher.held_bytes > 6000
            with pytest.raises(Overloaded):
                await publisher.publish([ProducerRecord("t.events", b"k", b"y" * 6000)], timeout=0.3)
        finally:
            broker.resume()
        await until(lambda: publisher.held_bytes == 0)
        await publisher.publish([ProducerRecord("t.events", b"k", b"after")], timeout=10)
        batches = read_to_end(settings=settings, topic="t.events", deadline=20)
        values = [record.value async for batch in batches for record in batch]
        assert values == [b"before", b"x" * 6000, b"after"]
        await publisher.close()
