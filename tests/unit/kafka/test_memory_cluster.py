"""The cluster in memory shows what the broker shows, and beyond that does what a test tells it."""

import pytest
from tests.unit.kafka.conftest import MemoryStage

from tocsin.kafka import NotStored, Overloaded, OwnershipLost, ProducerRecord, RecordTooLarge, Shard
from tocsin.testing.cluster_suite import ClusterSuite
from tocsin.testing.kafka import MemoryPublisher
from tocsin.testing.stage import numbers


class TestMemoryCluster(ClusterSuite):
    pass


async def test_an_expelled_member_commits_nothing(stage: MemoryStage) -> None:
    await stage.topics("in", groups=["plain"])
    group = stage.cluster.group(stage.topic("plain"))
    before = dict(group.committed)

    async def work(shard: Shard) -> None:
        batch = await shard.take()
        assert batch is not None
        group.expel(next(iter(group.members.values())))
        await shard.commit(batch.offsets)

    running = await stage.plain(work).start()
    await stage.publish_values(numbers(10))
    with pytest.raises(
        OwnershipLost, match=r"The group tocsin\.plain refused a commit of offsets: generation 1"
    ):
        await running.ended()
    assert group.committed == before


async def test_a_publisher_that_fails_stores_nothing(stage: MemoryStage) -> None:
    await stage.topics("out")
    publisher = MemoryPublisher(stage.cluster, limits={stage.topic("out"): 200})
    record = ProducerRecord(stage.topic("out"), b"k", b"v")
    with pytest.raises(RecordTooLarge):
        await publisher.publish([record, ProducerRecord(stage.topic("out"), b"k", b"x" * 200)], timeout=1)
    publisher.failures = [Overloaded("full"), NotStored("away")]
    for failure in (Overloaded, NotStored):
        with pytest.raises(failure):
            await publisher.publish([record], timeout=1)
    publisher.flowing.clear()
    with pytest.raises(NotStored, match=r"No acknowledgement within 0\.01 s"):
        await publisher.publish([record], timeout=0.01)
    assert await stage.read("out") == []
    publisher.flowing.set()
    await publisher.publish([record], timeout=1)
    assert [stored.value for stored in await stage.read("out")] == [b"v"]
