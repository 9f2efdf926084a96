"""Shards that move between two members of one process."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from tocsin.kafka import (
    Batch,
    DrainTooSlow,
    FencedShard,
    GroupSpec,
    GroupTimeouts,
    Outgoing,
    OwnershipLost,
    PartitionsUnequal,
)

pytestmark = pytest.mark.kafka


class Gate:
    """A failpoint that waits until it is opened, or raises."""

    def __init__(self, place: str, error: Exception | None = None) -> None:
        self.place = place
        self.error = error
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def reach(self, name: str) -> None:
        if name != self.place:
            return
        self.reached.set()
        if self.error is not None:
            raise self.error
        await self.open.wait()


@pytest.fixture
async def prepared(stage):
    group = GroupSpec(group=f"{stage.settings.topic_prefix}copier", topics=(stage.topic("in"),))
    await stage.topics("in", "out", groups=[group])
    return stage


def copies(stage):
    async def process(batch: Batch) -> Sequence[Outgoing]:
        return [Outgoing(stage.topic("out"), record.key, record.value) for record in batch.records]

    return process


async def publish(stage, numbers: range) -> list[bytes]:
    keys = [f"k{number}".encode() for number in numbers]
    await stage.publish(*(Outgoing(stage.topic("in"), key, key) for key in keys))
    return keys


async def visible(stage, keys: Sequence[bytes]) -> bool:
    seen = Counter(record.key for record in await stage.read("out"))
    assert not seen - Counter(keys), "a record took effect twice"
    return seen == Counter(keys)


async def test_shards_move_without_loss_or_doubles(prepared, until):
    stage, keys = prepared, []
    groups = [stage.exactly_once(copies(stage), group="copier", topics=["in"]) for _ in range(3)]
    first = await groups[0].start()
    keys += await publish(stage, range(200))
    second = await groups[1].start()
    for start in range(200, 1200, 100):
        keys += await publish(stage, range(start, start + 100))
    await until(lambda: len(first.component.held) == len(second.component.held) == 1)
    await first.leave()
    keys += await publish(stage, range(1200, 1400))
    third = await groups[2].start()
    keys += await publish(stage, range(1400, 1600))
    await until(lambda: visible(stage, keys))
    await second.leave()
    await third.leave()
    assert await visible(stage, keys)


async def test_a_fence_that_fails_ends_the_process(prepared):
    gate = Gate("before_fence", error=RuntimeError("no fence"))
    member = await prepared.exactly_once(
        copies(prepared), group="copier", topics=["in"], failpoints=gate
    ).start()
    with pytest.raises(RuntimeError, match="no fence"):
        await member.ended()


async def test_a_slow_fence_holds_consumption(prepared, until):
    keys = await publish(prepared, range(20))
    seen: list[Batch] = []

    async def process(batch: Batch) -> Sequence[Outgoing]:
        seen.append(batch)
        return [Outgoing(prepared.topic("out"), record.key, record.value) for record in batch.records]

    gate = Gate("before_fence")
    member = await prepared.exactly_once(process, group="copier", topics=["in"], failpoints=gate).start()
    await gate.reached.wait()
    group = member.component
    await until(group._lease.ok)  # it is a member, and heartbeats go on meanwhile
    consumer = group._member._consumer
    assert consumer.paused() == consumer.assignment()
    assert not group.held
    assert not seen
    gate.open.set()
    await until(lambda: visible(prepared, keys))
    await member.leave()


async def test_unequal_shard_counts_are_refused(prepared):
    first = await prepared.exactly_once(copies(prepared), group="copier", topics=["in"]).start()
    second = await prepared.exactly_once(copies(prepared), group="copier", topics=["in"], shards=4).start()
    with pytest.raises(PartitionsUnequal, match="count 2 and 4 shards"):
        await first.ended()
    await second.discard()


async def test_work_that_does_not_end_in_time_ends_the_process(prepared, until):
    async def stubborn(shard: FencedShard) -> None:
        await asyncio.Event().wait()

    member = await prepared.group(stubborn, group="copier", topics=["in"]).start()
    await until(lambda: len(member.component.held) == 2)
    with pytest.raises(DrainTooSlow, match="shards 0, 1"):
        await member.leave()


async def test_work_that_raises_ends_the_process(prepared):
    async def faulty(shard: FencedShard) -> None:
        raise LookupError("of its own")

    member = await prepared.group(faulty, group="copier", topics=["in"]).start()
    with pytest.raises(LookupError, match="of its own"):
        await member.ended()


async def test_a_shard_that_was_given_back_takes_and_writes_nothing(prepared, until):
    shards: list[FencedShard] = []

    async def work(shard: FencedShard) -> None:
        shards.append(shard)
        await shard.revoked.wait()

    first = await prepared.group(work, group="copier", topics=["in"]).start()
    await until(lambda: len(first.component.held) == 2)
    await publish(prepared, range(20))
    await until(lambda: all(shard._buffer for shard in shards))
    second = await prepared.group(work, group="copier", topics=["in"]).start()
    await until(lambda: len(second.component.held) == 1)
    for shard in shards[:2]:
        assert await shard.take() is None
        with pytest.raises(OwnershipLost, match="assignment 1, which is over"):
            await shard.transaction([Outgoing(prepared.topic("out"), b"k", b"v")])
        with pytest.raises(OwnershipLost):
            await shard.commit({})
        assert not shard.lease_ok()
    await until(lambda: len(first.component.held) == 1)
    assert {shard.assignment for shard in first.component.held.values()} == {2}
    await first.leave()
    await second.leave()


async def test_the_lease_ends_when_heartbeats_stop_and_an_expelled_member_ends(prepared, until):
    async def work(shard: FencedShard) -> None:
        while await shard.take() is not None:
            pass

    timeouts = GroupTimeouts(
        send_timeout=2, drain_timeout=3, rebalance_timeout=10, session_timeout=4, heartbeat_interval=0.2
    )
    member = await prepared.group(work, group="copier", topics=["in"], timeouts=timeouts).start()
    group = member.component
    await until(lambda: len(group.held) == 2 and group._lease.ok())
    coordinator = group._member._membership._coordinator
    answering = coordinator._do_heartbeat

    async def silent() -> bool:
        return True  # aiokafka believes it was sent; the broker hears nothing

    coordinator._do_heartbeat = silent
    held = list(group.held.values())
    await until(lambda: not group._lease.ok())
    assert not any(shard.lease_ok() for shard in held)
    assert not group._lease.ok()
    await prepared_expelled(prepared, until)
    coordinator._do_heartbeat = answering
    with pytest.raises(OwnershipLost, match="expelled"):
        await member.ended()


async def prepared_expelled(stage, until) -> None:
    """Another member has everything: the silent one is out."""

    async def work(shard: FencedShard) -> None:
        while await shard.take() is not None:
            pass

    other = await stage.group(work, group="copier", topics=["in"]).start()
    await until(lambda: len(other.component.held) == 2)
