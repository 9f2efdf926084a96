"""What fails inside a transaction commits nothing; what is missing is said in one sentence."""

import asyncio
from collections.abc import Sequence

import pytest

from tocsin.kafka import (
    Admin,
    Batch,
    FencedShard,
    GroupSpec,
    OffsetMissing,
    Outgoing,
    Position,
    RecordTooLarge,
    TopicPartition,
    TopicSpec,
    TransactionFailed,
    read_back_metadata,
    read_back_position,
)

pytestmark = pytest.mark.kafka


@pytest.fixture
async def prepared(stage):
    group = GroupSpec(group=f"{stage.settings.topic_prefix}copier", topics=(stage.topic("in"),))
    await stage.topics("in", "out", groups=[group])
    return stage


async def small_topic(stage) -> None:
    admin = Admin(settings=stage.settings)
    await admin.open()
    spec = TopicSpec(name=stage.topic("small"), partitions=4, max_message_bytes=1000)
    await admin.apply(await admin.plan([spec]))
    await admin.close()


async def test_a_produce_that_fails_never_commits(prepared, until):
    """The broker refuses one of the records; aiokafka by itself would commit the others."""
    await small_topic(prepared)
    await prepared.publish(Outgoing(prepared.topic("in"), b"k", b"v"))

    async def process(batch: Batch) -> Sequence[Outgoing]:
        return [
            Outgoing(prepared.topic("out"), b"k", b"good"),
            Outgoing(prepared.topic("small"), b"k", b"x" * 5000),
        ]

    member = await prepared.exactly_once(
        process, group="copier", topics=["in"], limits={prepared.topic("small"): 10_000}
    ).start()
    with pytest.raises(TransactionFailed, match="MessageSizeTooLarge"):
        await member.ended()
    await member.component.close()

    seen: list[Batch] = []

    async def look(batch: Batch) -> Sequence[Outgoing]:
        seen.append(batch)
        return []

    again = await prepared.exactly_once(look, group="copier", topics=["in"]).start()
    await until(lambda: bool(seen))
    assert [record.value for record in seen[0].records] == [b"v"]
    await again.leave()
    assert await prepared.read("out") == []


async def test_a_record_too_large_is_refused_before_anything_is_produced(prepared, until):
    outcome: list[object] = []

    async def work(shard: FencedShard) -> None:
        if shard.number == 0:
            too_large = Outgoing(prepared.topic("out"), b"k", b"x" * 2_000_000)
            with pytest.raises(RecordTooLarge) as caught:
                await shard.transaction([Outgoing(prepared.topic("out"), b"k", b"good"), too_large])
            await shard.transaction([Outgoing(prepared.topic("out"), b"k", b"after")])
            outcome.append(caught.value.topic)
        await shard.revoked.wait()

    member = await prepared.group(work, group="copier", topics=["in"]).start()
    await until(lambda: bool(outcome))
    assert outcome == [prepared.topic("out")]
    await member.leave()
    assert [record.value for record in await prepared.read("out")] == [b"after"]


async def test_transactions_called_at_once_share_one(prepared, until):
    done: list[int] = []

    async def work(shard: FencedShard) -> None:
        if shard.number == 0:
            records = [Outgoing(prepared.topic("out"), b"k", f"v{n}".encode()) for n in range(100)]
            await asyncio.gather(*(shard.transaction([record]) for record in records))
            done.append(1)
        await shard.revoked.wait()

    member = await prepared.group(work, group="copier", topics=["in"]).start()
    await until(lambda: bool(done))
    await member.leave()
    records = await prepared.read("out")
    assert [record.value for record in records] == [f"v{n}".encode() for n in range(100)]
    markers = records[-1].offset - 99
    assert markers < 10, "one hundred calls made a hundred transactions"


async def test_a_group_without_offsets_names_the_command(stage):
    await stage.topics("in", "out")

    async def work(shard: FencedShard) -> None:
        raise AssertionError("must not be called")

    member = await stage.group(work, group="copier", topics=["in"]).start()
    with pytest.raises(OffsetMissing, match="run `tocsin topics apply`"):
        await member.ended()


async def test_an_offset_out_of_range_names_the_command(prepared, until):
    async def work(shard: FencedShard) -> None:
        await shard.commit({partition: Position(4711) for partition in shard.positions})
        await shard.revoked.wait()

    first = await prepared.group(work, group="copier", topics=["in"]).start()
    await until(lambda: len(first.component.held) == 2)
    await until(
        lambda: all(s.lag[p]._committed == 4711 for s in first.component.held.values() for p in s.positions)
    )
    await first.leave()

    async def wait(shard: FencedShard) -> None:
        while await shard.take() is not None:
            pass

    second = await prepared.group(wait, group="copier", topics=["in"]).start()
    with pytest.raises(OffsetMissing, match=r"no usable offset for .*: run `tocsin topics apply`"):
        await second.ended()


async def test_commits_carry_metadata_to_the_next_owner(prepared, until):
    partition = TopicPartition(prepared.topic("in"), 1)
    await prepared.publish(*(Outgoing(prepared.topic("in"), b"k", b"v", partition=1) for _ in range(3)))

    async def write(shard: FencedShard) -> None:
        if shard.number == 1:
            batch = await shard.take()
            assert batch is not None
            await shard.commit({partition: Position(2, read_back_metadata(77))})
        await shard.revoked.wait()

    first = await prepared.group(write, group="copier", topics=["in"]).start()
    await until(lambda: 1 in first.component.held and first.component.held[1].lag[partition]._committed == 2)
    await first.leave()

    found: list[Position] = []

    async def look(shard: FencedShard) -> None:
        if shard.number == 1:
            batch = await shard.take()
            assert batch is not None
            assert [record.offset for record in batch.records] == [2]
            found.append(shard.positions[partition])
        await shard.revoked.wait()

    second = await prepared.group(look, group="copier", topics=["in"]).start()
    await until(lambda: bool(found))
    assert found[0].offset == 2
    assert read_back_position(found[0].metadata, group="g") == 77
    await second.leave()
