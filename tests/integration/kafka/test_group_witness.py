"""What groups leave unread is seen from outside, whether they have members or not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from tocsin.kafka import (
    GroupView,
    GroupWitness,
    KafkaFault,
    KafkaSettings,
    ProducerRecord,
    RecordReader,
    TopicPartition,
    Unread,
    group_witness,
)
from tocsin.kafka.client import group_requests
from tocsin.kafka.client.offsets import connect_to_group
from tocsin.testing import ManualClock
from tocsin.testing.stage import MemoryTable

pytestmark = pytest.mark.kafka

LOOK_SECONDS = 15.0
"""As long as the witness itself waits before it says that it sees nothing."""


@pytest.fixture
async def witness(stage) -> AsyncIterator[GroupWitness]:
    await stage.topics("in", "out", partitions=1, groups=["copier", "table"])
    groups = {stage.topic(name): [stage.topic("in")] for name in ("copier", "table")}
    witness = GroupWitness(settings=stage.settings, groups=groups, clock=ManualClock())
    await witness.open()
    yield witness
    await witness.close()


async def unread(stage, witness: GroupWitness, group: str = "copier") -> Unread:
    view = (await witness.look())[stage.topic(group)]
    return view.unread[TopicPartition(stage.topic("in"), 0)]


async def test_a_group_that_nobody_runs_has_no_members_and_what_it_leaves_unread_ages(stage, witness):
    assert await unread(stage, witness) == Unread(0, None)
    first, *_ = await stage.publish(*(ProducerRecord(stage.topic("in"), b"k", b"%d" % n) for n in range(3)))
    assert await unread(stage, witness) == Unread(3, None), "it has come since the look before"
    assert await unread(stage, witness) == Unread(3, first.timestamp_ms)
    await stage.publish(ProducerRecord(stage.topic("in"), b"k", b"more"))
    assert await unread(stage, witness) == Unread(4, first.timestamp_ms)
    assert (await witness.look())[stage.topic("copier")].members == 0


async def test_a_witness_that_has_just_started_knows_what_has_waited_before(stage, witness):
    first, *_ = await stage.publish(*(ProducerRecord(stage.topic("in"), b"k", b"%d" % n) for n in range(3)))
    assert await unread(stage, witness) == Unread(3, first.timestamp_ms)


async def test_a_group_that_has_committed_nothing_leaves_everything_unread(stage):
    await stage.topics("in", partitions=1)
    first, *_ = await stage.publish(*(ProducerRecord(stage.topic("in"), b"k", b"%d" % n) for n in range(3)))
    groups = {stage.topic("nobody"): [stage.topic("in")]}
    witness = GroupWitness(settings=stage.settings, groups=groups, clock=ManualClock())
    await witness.open()
    try:
        assert await unread(stage, witness, "nobody") == Unread(3, first.timestamp_ms)
    finally:
        await witness.close()


async def test_a_commit_that_the_log_does_not_keep_hides_nothing(stage, witness):
    first, *_ = await stage.publish(ProducerRecord(stage.topic("in"), b"k", b"v"))
    client = await connect_to_group(stage.settings, stage.topic("copier"))
    place = AioTopicPartition(stage.topic("in"), 0)
    client.assign([place])
    await client.commit({place: 100})
    await client.stop()
    assert await unread(stage, witness) == Unread(1, first.timestamp_ms)


async def test_a_topic_that_is_missing_is_named_and_not_created(stage):
    groups = {stage.topic("g"): [stage.topic("absent")]}
    witness = GroupWitness(settings=stage.settings, groups=groups, clock=ManualClock())
    await witness.open()
    try:
        with pytest.raises(KafkaFault, match=r"There is no topic \S+absent"):
            await witness.look()
    finally:
        await witness.close()


async def test_a_refusal_names_the_command_that_prints_the_rights(stage, witness, monkeypatch):
    async def refused(*_: object) -> int:
        raise GroupAuthorizationFailedError(stage.topic("copier"))

    monkeypatch.setattr(group_witness, "member_count", refused)
    with pytest.raises(KafkaFault, match=r"^Kafka refuses: .*copier.*`tocsin acls`"):
        await witness.look()


async def test_of_a_group_that_works_nothing_is_left(stage, witness, until):
    await stage.publish_values([b"a", b"b"])
    await stage.copier(shards=1).start()

    async def done() -> bool:
        view = (await witness.look())[stage.topic("copier")]
        return view.members == 1 and all(waits == Unread(0, None) for waits in view.unread.values())

    await until(done)


async def test_the_positions_of_a_store_are_seen_too(stage, witness, until):
    await stage.publish_values([b"a", b"b"])
    await stage.projection(MemoryTable()).start()

    async def done() -> bool:
        return await unread(stage, witness, "table") == Unread(0, None)

    await until(done, seconds=30)


async def test_a_store_that_lost_everything_is_made_again_from_the_log_and_not_from_the_copy(
    stage, witness, until
):
    await stage.publish_values([b"a", b"b"])
    before = await stage.projection(MemoryTable()).start()

    async def copied() -> bool:
        return await unread(stage, witness, "table") == Unread(0, None)

    await until(copied, seconds=30)
    await before.leave()
    emptied = MemoryTable()
    await stage.projection(emptied).start()
    await until(lambda: len(emptied.rows) == 2, seconds=30)


async def test_marks_of_transactions_are_nothing_that_waits(stage, witness):
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers, transactional_id=stage.topic("foreign")
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(stage.topic("in"), b"aborted", partition=0)
        waits = [await unread(stage, witness) for _ in range(2)]
        assert [left.records for left in waits] == [1, 1], "behind an open transaction it waits"
        assert waits[1].oldest_ms is not None
        await producer.abort_transaction()
        assert await unread(stage, witness) == Unread(0, None)
    finally:
        await producer.stop()


async def test_many_partitions_with_nothing_but_marks_are_looked_at_together(stage, until):
    """A fetch that holds only marks wakes nobody: one after the other, forty partitions took twenty seconds."""
    partitions = 40
    await stage.topics("in", partitions=partitions, groups=["copier"])
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers, transactional_id=stage.topic("foreign")
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for number in range(partitions):
            await producer.send_and_wait(stage.topic("in"), b"aborted", partition=number)
        await producer.abort_transaction()
    finally:
        await producer.stop()
    reader, polls = RecordReader(settings=stage.settings, wait_ms=100), 0
    await reader.open()
    getmany = reader._open.getmany

    async def counted(**more: Any) -> Any:
        nonlocal polls
        polls += 1
        return await getmany(**more)

    reader._open.getmany = counted
    places = {TopicPartition(stage.topic("in"), number): 0 for number in range(partitions)}

    async def all_are_marked() -> bool:
        """The broker writes the marks after it has answered that the transaction is aborted."""
        ends = await reader._open.end_offsets([AioTopicPartition(*place) for place in places])
        return set(ends.values()) == {2}

    try:
        await until(all_are_marked)
        kept, _ = await reader.kept([stage.topic("in")])
        firsts = await reader.first_of(places, kept)
    finally:
        await reader.close()
    assert firsts == dict.fromkeys(places, (None, 2))
    assert polls < partitions


@pytest.fixture
def leaders(monkeypatch) -> dict[TopicPartition, int]:
    """What metadata say of these partitions instead of the truth."""
    told: dict[TopicPartition, int] = {}
    truth = ClusterMetadata.leader_for_partition

    def leader(metadata: ClusterMetadata, partition: AioTopicPartition) -> int | None:
        known: int | None = truth(metadata, partition)
        return told.get(TopicPartition(*partition), known)

    monkeypatch.setattr(ClusterMetadata, "leader_for_partition", leader)
    return told


async def test_a_partition_without_a_leader_hides_no_other(stage, leaders):
    await stage.topics("in", partitions=2, groups=["copier"])
    unled, led = (TopicPartition(stage.topic("in"), number) for number in range(2))
    groups = {stage.topic("copier"): [stage.topic("in")]}
    witness = GroupWitness(settings=stage.settings, groups=groups, clock=ManualClock())
    await witness.open()
    try:
        await stage.publish(ProducerRecord(unled.topic, b"k", b"v", partition=unled.partition))
        before = (await witness.look())[stage.topic("copier")]
        assert before.unseen == frozenset()
        leaders[unled] = -1
        await stage.publish(ProducerRecord(led.topic, b"k", b"v", partition=led.partition))
        async with asyncio.timeout(LOOK_SECONDS):
            view = (await witness.look())[stage.topic("copier")]
        assert view.unseen == {unled}
        assert view.unread[led].records == 1
        assert view.unread[unled] == before.unread[unled], "as it was seen last"
        del leaders[unled]
        assert (await witness.look())[stage.topic("copier")].unseen == frozenset()
    finally:
        await witness.close()


async def test_a_witness_that_has_just_started_says_nothing_of_what_it_has_never_seen(
    stage, witness, leaders
):
    place = TopicPartition(stage.topic("in"), 0)
    leaders[place] = -1
    async with asyncio.timeout(LOOK_SECONDS):
        views = await witness.look()
    assert list(views.values()) == [GroupView(0, {}, frozenset({place}))] * 2


async def test_a_group_without_a_coordinator_hides_no_other(stage, witness, monkeypatch):
    await stage.publish(ProducerRecord(stage.topic("in"), b"k", b"v"))
    before = (await witness.look())[stage.topic("copier")]
    truth = group_requests.member_count

    async def members(client: Any, group: str) -> int:
        if group == stage.topic("copier"):
            raise GroupCoordinatorNotAvailableError
        return await truth(client, group)

    monkeypatch.setattr(group_witness, "member_count", members)
    views = await witness.look()
    place = TopicPartition(stage.topic("in"), 0)
    assert views[stage.topic("copier")] == GroupView(None, before.unread, frozenset({place}))
    assert views[stage.topic("table")].unread[place].records == 1


async def test_without_any_coordinator_a_look_says_so(stage, witness, monkeypatch):
    async def nobody(*_: object) -> int:
        raise GroupCoordinatorNotAvailableError

    monkeypatch.setattr(group_witness, "member_count", nobody)
    with pytest.raises(KafkaFault, match="GroupCoordinatorNotAvailableError"):
        await witness.look()


async def test_without_a_broker_a_look_says_so():
    witness = GroupWitness(
        settings=KafkaSettings(bootstrap_servers="127.0.0.1:1"), groups={"g": ["t"]}, clock=ManualClock()
    )
    with pytest.raises(KafkaFault, match="No Kafka broker answers"):
        await witness.open()
    await witness.close()
