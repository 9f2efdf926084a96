"""`tocsin topics apply` against a real broker: creates, corrects, refuses, and changes nothing the second time."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from tocsin.cli.topics import spec_of
from tocsin.contracts.topics import Topics
from tocsin.kafka import Admin, GroupAtWork, GroupSpec, PlanRefused, ProducerRecord, TopicSpec
from tocsin.testing.stage import MemoryTable
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka


@pytest.fixture
async def admin(stage):
    admin = Admin(settings=stage.settings)
    await admin.open()
    yield admin
    await admin.close()


async def test_creates_once_then_finds_nothing_to_do(stage, admin):
    specs = [
        TopicSpec(name=stage.topic("jobs"), partitions=4, retention_ms=1000, max_message_bytes=2_097_152),
        TopicSpec(name=stage.topic("status"), partitions=4, cleanup="compact"),
    ]
    groups = [
        GroupSpec(
            group=stage.topic("dispatch"), topics=(stage.topic("jobs"),), read_back=stage.topic("status")
        )
    ]
    plan = await admin.plan(specs, groups)
    assert [change.action for change in plan.changes] == ["create", "create"]
    assert [(start.partition, start.offset, start.metadata) for start in plan.starts] == [
        (number, 0, '{"read_back":0}') for number in range(4)
    ]
    await admin.apply(plan)
    assert (await admin.plan(specs, groups)).empty


async def test_changes_settings_and_keeps_what_others_set(stage, admin):
    spec = TopicSpec(name=stage.topic("jobs"), partitions=4, retention_ms=1000, delete_retention_ms=60_000)
    await admin.apply(await admin.plan([spec]))
    longer = TopicSpec(name=spec.name, partitions=4, retention_ms=2000)
    plan = await admin.plan([longer])
    assert plan.changes[0].action == "configure"
    assert plan.changes[0].settings == {"retention.ms": ("1000", "2000")}
    await admin.apply(plan)
    again = TopicSpec(name=spec.name, partitions=4, retention_ms=2000, delete_retention_ms=60_000)
    assert (await admin.plan([again])).empty


async def test_the_registrys_topics_get_their_settings(stage, admin):
    """As `tocsin topics apply` makes them: those that are read whole close their segments after an hour, so that they are compacted or deleted."""
    registry = Topics(stage.settings.topic_prefix)
    specs = {topic.name: spec_of(topic, partitions=2, replication_factor=1) for topic in registry.all()}
    try:
        await admin.apply(await admin.plan(list(specs.values())))
        assert (await admin.plan(list(specs.values()))).empty
        settings = await admin._settings_of(list(specs))
    finally:
        await admin.delete_topics(list(specs))
    assert {name for name, made in settings.items() if "segment.ms" in made} == {
        registry.directory,
        registry.stops,
        registry.cancels,
        registry.inbox,
    }
    assert (settings[registry.cancels]["retention.ms"], settings[registry.cancels]["cleanup.policy"]) == (
        "604800000",
        "delete",
    )
    for name in (registry.directory, registry.stops):
        assert (settings[name]["segment.ms"], settings[name]["cleanup.policy"]) == ("3600000", "compact")
    lanes = {
        topic.name for topic in registry.all() if topic.family in ("events", "intents", "jobs", "status")
    }
    assert {specs[name].partitions for name in lanes} == {2}


async def test_a_group_at_work_takes_no_starts_but_one_whose_members_begin_by_themselves_needs_none(
    stage, admin
):
    """So a release that adds a topic to a group of the ledger can come while the former one works."""
    await stage.topics("in", groups=["at-work"])
    group = stage.topic("at-work")
    running = await stage.projection(MemoryTable(), group="at-work").start()
    await until(lambda: running.partitions == 4)
    for stored in (False, True):
        spec = GroupSpec(group=group, topics=(stage.topic("in"), stage.topic("late")), stored=stored)
        late = TopicSpec(name=stage.topic("late"), partitions=2, retention_ms=1000)
        plan = await admin.plan([late], [spec])
        assert {start.topic for start in plan.starts} == {late.name}
        if stored:
            await admin.apply(plan)
            continue
        with pytest.raises(GroupAtWork, match="has members"):
            await admin.apply(plan)
    await running.leave()


async def test_refuses_another_number_of_partitions(stage, admin):
    await admin.apply(await admin.plan([TopicSpec(name=stage.topic("jobs"), partitions=4)]))
    with pytest.raises(PlanRefused, match="has 4 partitions and should have 12"):
        await admin.plan([TopicSpec(name=stage.topic("jobs"), partitions=12)])


async def test_a_commit_without_metadata_gets_it_and_keeps_its_offset(stage, admin):
    specs = [TopicSpec(name=stage.topic(name), partitions=1) for name in ("jobs", "status")]
    plain = GroupSpec(group=stage.topic("dispatch"), topics=(stage.topic("jobs"),))
    await admin.apply(await admin.plan(specs))
    await stage.publish(*(ProducerRecord(stage.topic("jobs"), None, b"v") for _ in range(3)))
    plan = await admin.plan(specs, [plain])
    assert plan.starts[0].offset == 0
    await admin.apply(plan)
    reading_back = GroupSpec(group=plain.group, topics=plain.topics, read_back=stage.topic("status"))
    plan = await admin.plan(specs, [reading_back])
    assert [(start.offset, start.metadata) for start in plan.starts] == [(0, '{"read_back":0}')]
    await admin.apply(plan)
    assert (await admin.plan(specs, [reading_back])).empty


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4", "snappy"])
async def test_a_compressed_batch_is_measured_unpacked(stage, admin, codec):
    spec = TopicSpec(name=stage.topic("events"), partitions=1, max_message_bytes=100_000, uncompressed=True)
    await admin.apply(await admin.plan([spec]))
    assert (await admin.plan([spec])).empty
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers,
        compression_type=codec,
        max_request_size=10_000_000,
        max_batch_size=10_000_000,
    )
    await producer.start()
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(spec.name, b"x" * 1_000_000)
        await producer.send_and_wait(spec.name, b"x" * 90_000)
    finally:
        await producer.stop()
    assert [len(record.value or b"") for record in await stage.read("events")] == [90_000]
