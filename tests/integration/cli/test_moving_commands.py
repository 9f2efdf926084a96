"""`tocsin topics drained` and `tocsin topics carry` on a real broker: what is left of a former prefix is seen, and comes along once."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.kafka.conftest import KafkaStage

from tocsin.cli.topics import apply_registry
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import Admin, CommittedOffset, KafkaSettings, ProducerRecord, TopicPartition

from .conftest import Ran, Runs

pytestmark = pytest.mark.kafka

KEYS = [b"acme/ann", b"acme/bob", b"acme/cleo"]
HEADERS = (("content-type", b"application/cloudevents+json"),)


@pytest.fixture
async def stages(kafka_server: str, topic_prefix: str) -> AsyncIterator[tuple[KafkaStage, KafkaStage]]:
    made = []
    for prefix, partitions in ((topic_prefix, 1), (f"{topic_prefix}new.", 2)):
        settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=prefix)
        await apply_registry(settings, partitions=partitions, replication_factor=1)
        made.append(KafkaStage(settings))
    yield made[0], made[1]
    for stage in made:
        await stage.close()


async def test_what_came_too_late_is_seen_and_comes_along_once(
    stages: tuple[KafkaStage, KafkaStage], tocsin_soon: Runs
) -> None:
    former, new = stages
    topics = Topics(former.settings.topic_prefix)

    async def tocsin(stage: KafkaStage, *words: str) -> Ran:
        settings = stage.settings
        return await tocsin_soon(
            "topics",
            *words,
            KAFKA_BOOTSTRAP_SERVERS=settings.bootstrap_servers,
            KAFKA_TOPIC_PREFIX=settings.topic_prefix,
        )

    assert (await tocsin(former, "drained")).code == 0
    events = [
        ProducerRecord(topics.events(Lane.CRITICAL), key, b"%d" % number, HEADERS)
        for number, key in enumerate(KEYS)
    ]
    await former.publish(*events, ProducerRecord(topics.cancels, b"acme/cancel/k", b"{}"))
    await former.publish(ProducerRecord(topics.intents(Lane.BULK), KEYS[0], b"re-driven"))
    waits = await tocsin(former, "drained")
    assert waits.code == 1
    assert [line.split("\t") for line in waits.out.splitlines()] == [
        [topics.group("router", Lane.BULK), topics.intents(Lane.BULK), "1"],
        [topics.group("router", Lane.CRITICAL), topics.events(Lane.CRITICAL), "3"],
    ]
    assert (await tocsin(former, "drained", "--lane", "transactional")).code == 0
    assert (await tocsin(former, "drained", "--ledger")).code == 0

    carried = await tocsin(new, "carry", topics.prefix)
    prefix = new.settings.topic_prefix
    assert carried.out == f"1 cancellations, 3 events and 1 re-drives carried to {prefix}\n", carried.err
    there = await new.read("events.critical")
    assert sorted((record.key, record.value, record.headers) for record in there) == [
        (event.key, event.value, HEADERS) for event in events
    ]
    assert [record.key for record in await new.read("cancels")] == [b"acme/cancel/k"]
    assert (await tocsin(former, "drained")).code == 0
    assert [record.value for record in await new.read("intents.bulk")] == [b"re-driven"]
    assert ", 0 events and 0 re-drives carried" in (await tocsin(new, "carry", topics.prefix)).out
    assert len(await new.read("events.critical")) == 3


async def test_a_group_is_told_where_to_go_on(stages: tuple[KafkaStage, KafkaStage]) -> None:
    former, _ = stages
    topics = Topics(former.settings.topic_prefix)
    group, at = topics.group("router", Lane.BULK), TopicPartition(topics.events(Lane.BULK), 0)
    admin = Admin(settings=former.settings)
    await admin.open()
    try:
        await admin.commit(group, {at: CommittedOffset(0, "note")})
    finally:
        await admin.close()
    assert await former.cluster.committed(group, [at]) == {at: CommittedOffset(0, "note")}


async def test_the_same_prefix_is_refused(tocsin_soon: Runs) -> None:
    ran = await tocsin_soon("topics", "carry", "tocsin.", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (ran.code, ran.out) == (1, "")
    assert "is KAFKA_TOPIC_PREFIX" in ran.err
