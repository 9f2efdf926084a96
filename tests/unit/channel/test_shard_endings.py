"""How one shard's work ends: its failures, what a revoked shard leaves, and that nothing outlives it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.channel.conftest import JOBS, UNREACHABLE, Held, ScriptedProvider

from tocsin.channel import Ambiguous, Throttled
from tocsin.contracts.codec import encode
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    LeaseLost,
    OwnershipLost,
    ProducerRecord,
    TopicPartition,
    read_back_metadata,
)
from tocsin.observability.unlocked_metrics import Histogram
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


class Broken(Histogram):
    """A metric that fails."""

    def __init__(self) -> None:
        """Registered nowhere."""

    def observe(self, *_: Any) -> None:
        raise RuntimeError("The metric is out of order.")


async def three_under_way(bench: "LaneBench") -> tuple[ScriptedProvider, Held, "asyncio.Task[None]"]:
    """A shard with a hundred jobs, three of them under way: the fourth place is the critical lane's."""
    bench.configure("first", places=4)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(100)))
    await until(lambda: len(provider.got) == 3)
    return provider, shard, work


async def test_what_fails_before_a_call_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    context = bench.context()
    context.stage_seconds["wait"] = Broken()
    shard, work = bench.start(context)
    shard.put(bench.job(1))
    with pytest.raises(RuntimeError, match="out of order"):
        await work
    assert bench.provider().got == []


async def test_what_fails_for_one_shard_while_the_pool_reloads_ends_that_shards_work(bench: "LaneBench"):
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    context = bench.context(Lane.BULK)
    context.stage_seconds["wait"] = Broken()
    waiting, waiting_work = bench.start(context)
    waiting.put(bench.job(2, providers=["first"]))
    await until(waiting.took_all)
    bench.configure("second")
    await bench.pool.reload()
    with pytest.raises(RuntimeError, match="out of order"):
        await waiting_work
    assert not work.done()


async def test_what_fails_after_a_transaction_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    bench.raise_version("ada", 5)
    context = bench.context()
    context.stage_seconds = context.stage_seconds | {"record": Broken()}
    shard, work = bench.start(context)
    shard.put(bench.job(1, recipient="ada", recipient_version=4))
    with pytest.raises(RuntimeError, match="out of order"):
        await work


async def test_without_a_lease_nothing_is_sent_and_the_work_ends(bench: "LaneBench"):
    await bench.open()
    shard, work = bench.start()
    await until(lambda: bool(shard.group.held))
    shard.group._lease.end()
    shard.put(bench.job(1), bench.job(2))
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(work, 30)
    assert (bench.provider().got, bench.statuses, shard.committed[TopicPartition(JOBS, 0)].offset) == (
        [],
        [],
        0,
    )


def _recorded(bench: "LaneBench", count: int) -> bool:
    return len(bench.statuses) == count


async def test_what_is_known_outlasts_a_coordinator_that_does_not_answer(bench: "LaneBench"):
    """A broker that restarts answers no commit for seconds: the shard waits, and goes on with what it has taken and sent."""
    await bench.open()
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: shard.committed[TopicPartition(JOBS, 0)].offset == 1)
    shard.coordinator.silent = True
    for number in (2, 3):
        shard.put(bench.job(number))
        await until(partial(_recorded, bench, number))
    assert (work.done(), shard.committed[TopicPartition(JOBS, 0)].offset) == (False, 1)
    shard.coordinator.silent = False
    await until(lambda: shard.committed[TopicPartition(JOBS, 0)].offset == 3)
    assert bench.provider().got == ["1", "2", "3"]


async def test_a_lost_shard_harms_no_other(bench: "LaneBench"):
    """The runners are the process's: the lane of the lost shard has its places back, and other lanes go on."""
    await bench.open(max_unrecorded=4)
    bench.provider().let_go.clear()
    lost, lost_work = bench.start(partitions=2)
    lost.put(*(bench.job(number) for number in range(4)))
    await until(lambda: len(bench.provider().got) == 4)
    other, other_work = bench.start(bench.context(Lane.BULK))
    other.put(*(bench.job(number) for number in range(10, 14)))
    await until(lambda: len(bench.provider().got) == 8)
    lost.coordinator.expel(next(iter(lost.coordinator.members.values())))
    lost.put(bench.job(99, providers=["nowhere"]), partition=1)  # something to commit
    with pytest.raises(OwnershipLost, match=r"expelled|refused a commit"):
        await lost_work
    assert sorted(bench.provider().cancelled) == ["0", "1", "2", "3"]
    bench.start(partitions=2)
    bench.provider().let_go.set()
    await until(lambda: len({status.delivery_id for status in bench.statuses}) == 9)
    assert sorted(bench.provider().got[8:]) == ["0", "1", "2", "3"]
    assert not other_work.done()


async def test_a_revoked_shard_ends_its_calls_under_way_and_begins_no_other(bench: "LaneBench"):
    provider, shard, work = await three_under_way(bench)
    await shard.revoke()
    provider.let_go.set()
    await work
    assert provider.got == ["0", "1", "2"]
    assert [status.delivery_id for status in bench.statuses] == ["d0", "d1", "d2"]
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 3


async def test_a_call_that_ends_in_the_moment_of_the_revocation_is_followed_by_none(bench: "LaneBench"):
    provider, member, _ = await three_under_way(bench)
    (shard,) = member.group.held.values()
    shard.revoked.set()
    provider.let_go.set()
    await until(lambda: member.committed[TopicPartition(JOBS, 0)].offset == 3)
    assert provider.got == ["0", "1", "2"]


async def test_what_a_revoked_shard_left_its_next_owner_sends_and_nothing_twice(bench: "LaneBench"):
    provider, shard, work = await three_under_way(bench)
    await shard.revoke()
    provider.let_go.set()
    await work
    bench.start()
    await until(lambda: len(bench.statuses) == 100)
    assert sorted(map(int, provider.got)) == list(range(100))


@pytest.mark.parametrize("answer", [UNREACHABLE, Ambiguous()])
async def test_what_waits_for_its_retry_begins_anew_at_the_next_owner(bench: "LaneBench", answer: Any):
    """Also after an ambiguous answer: the next owner does not learn of it."""
    await bench.open()
    provider = bench.provider()
    provider.answers["1"] = [answer]
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: provider.got == ["1"] and not provider.inside)
    await shard.revoke()
    await work
    assert (bench.statuses, shard.committed[TopicPartition(JOBS, 0)].offset) == ([], 0)
    bench.start()
    await until(lambda: len(bench.statuses) == 1)
    assert (provider.got, bench.statuses[0].attempt) == (["1", "1"], 1)


async def test_calls_and_retries_do_not_use_up_the_lane(bench: "LaneBench"):
    """A provider that hangs, and one whose jobs wait for their retries, hold up nobody else: outcomes alone count in the limit."""
    bench.configure("first", "second", "third", places=2)
    await bench.open(max_unrecorded=1)
    hanging, refusing, good = (bench.provider(name) for name in ("first", "second", "third"))
    hanging.let_go.clear()
    refusing.answers |= {str(number): [Throttled(retry_after=2)] for number in (3, 4)}
    shard, work = bench.start()
    shard.put(*(bench.job(number, providers=["first"]) for number in range(3)))
    shard.put(*(bench.job(number, providers=["second"]) for number in (3, 4)))
    await until(lambda: len(hanging.got) == 2 and len(refusing.got) == 2 and not refusing.inside)
    shard.put(*(bench.job(number, providers=["third"]) for number in range(5, 9)))
    await until(lambda: len(bench.statuses) == 4)
    assert sorted(good.got) == ["5", "6", "7", "8"]
    await shard.revoke()
    hanging.let_go.set()
    await work


async def test_nothing_ends_behind_a_call_that_was_under_way_at_the_revocation(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1, recipient="ada"), bench.job(2, recipient="ada", providers=["nowhere"]))
    await until(lambda: provider.got == ["1"])
    await shard.revoke()
    provider.let_go.set()
    await work
    assert [status.delivery_id for status in bench.statuses] == ["d1"]
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 1


async def test_a_call_that_wants_a_retry_after_the_revocation_is_dropped(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.answers["1"] = [UNREACHABLE]
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: provider.got == ["1"])
    await shard.revoke()
    provider.let_go.set()
    await work
    assert (provider.got, bench.statuses) == (["1"], [])


async def test_a_drain_that_is_cancelled_ends_its_calls_and_writes_nothing_more(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1), bench.job(2))
    await until(lambda: len(provider.got) == 2)
    await shard.revoke()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert sorted(provider.cancelled) == ["1", "2"]
    provider.let_go.set()
    await bench.pool.close()
    assert bench.statuses == []


async def test_a_cancelled_work_frees_its_lane(bench: "LaneBench"):
    await bench.open(max_unrecorded=2)
    bench.publisher.flowing.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(5)))
    await until(lambda: len(bench.provider().got) == 2)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    bench.publisher.flowing.set()
    bench.start()
    await until(lambda: len(bench.statuses) == 5)


async def test_a_shard_that_is_revoked_while_it_reads_back_leaves_the_position_where_it_is(
    bench: "LaneBench",
):
    """What it had fetched and not taken is dropped: nobody may think that it was dealt with."""
    await bench.open()
    context, reading, place = bench.context(), asyncio.Event(), TopicPartition(JOBS, 0)

    async def never_ends(**_: Any) -> AsyncIterator[list[ConsumerRecord]]:
        reading.set()
        await asyncio.Event().wait()
        yield []

    context.read_log = never_ends
    bench.cluster.create(context.jobs, context.status, partitions=1)
    of_others = ProducerRecord(context.status, b"k", b"{}")
    jobs = [ProducerRecord(context.jobs, b"k", encode(bench.job(number))) for number in range(3)]
    bench.cluster.logs.append((0, record) for record in [of_others, *jobs])
    held, work = bench.start(context)
    await until(lambda: reading.is_set() and not bench.health.is_ready)
    await until(lambda: any(shard.first_unread(place) for shard in held.group.held.values()))
    await held.revoke()
    await work
    assert held.committed[place] == CommittedOffset(0, read_back_metadata(0))


async def test_a_shard_that_is_cancelled_again_while_it_ends_lets_what_it_reads_be_closed(bench: "LaneBench"):
    await bench.open()
    context, reading, let_close, closed = bench.context(), asyncio.Event(), asyncio.Event(), []

    async def slow_to_close(**_: Any) -> AsyncIterator[list[ConsumerRecord]]:
        reading.set()
        try:
            await asyncio.Event().wait()
            yield []
        finally:
            await let_close.wait()
            closed.append("log")

    context.read_log = slow_to_close
    bench.cluster.create(context.jobs, context.status, partitions=1)
    bench.cluster.logs.append([(0, ProducerRecord(context.jobs, b"k", encode(bench.job(1))))])
    held, work = bench.start(context)
    await reading.wait()
    (shard,) = held.group._tasks.values()
    for _ in range(3):
        shard.cancel()
        await asyncio.sleep(0)
    assert not shard.done()
    let_close.set()
    await asyncio.wait([shard])
    assert closed == ["log"]
    work.cancel()
    await asyncio.wait([work])
