"""Runners pull: bounded calls, lanes in turn, and instances that are replaced while jobs wait."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.channel.conftest import ScriptedProvider

from tocsin.channel import Accepted, Answer
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Lane
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


async def test_no_more_calls_at_once_than_places_and_one_in_four_for_the_critical_lane(bench: "LaneBench"):
    bench.configure("first", places=8)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    bulk, _ = bench.start(bench.context(Lane.BULK))
    critical, _ = bench.start(bench.context(Lane.CRITICAL))
    bulk.put(*(bench.job(number) for number in range(50)))
    await until(lambda: provider.inside == 6)
    critical.put(*(bench.job(number) for number in range(50, 100)))
    await until(lambda: provider.inside == 8)
    provider.let_go.set()
    await until(lambda: len(bench.statuses) == 100)
    assert provider.most_inside == 8
    runners = [task for task in asyncio.all_tasks() if task.get_name() == "runner of first"]
    assert len(runners) == 8


async def test_without_the_critical_lane_the_others_have_every_place(bench: "LaneBench"):
    bench.configure("first", places=8)
    await bench.open(lanes=[Lane.BULK])
    bench.provider().let_go.clear()
    shard, _ = bench.start(bench.context(Lane.BULK))
    shard.put(*(bench.job(number) for number in range(50)))
    await until(lambda: bench.provider().inside == 8)


async def test_of_those_that_wait_critical_goes_first_and_the_others_take_turns(bench: "LaneBench"):
    bench.configure("first", places=1)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shards = {lane: bench.start(bench.context(lane))[0] for lane in Lane}
    shards[Lane.BULK].put(bench.job(0))
    await until(lambda: provider.got == ["0"])
    for lane, first in ((Lane.BULK, 100), (Lane.TRANSACTIONAL, 200), (Lane.CRITICAL, 300)):
        shards[lane].put(*(bench.job(number) for number in range(first, first + 12)))
    await until(lambda: all(shard.took_all() for shard in shards.values()))
    provider.let_go.set()
    await until(lambda: len(bench.statuses) == 37)
    hundreds = "".join(body[0] for body in provider.got[1:])
    assert hundreds.startswith("3" * 7)
    assert hundreds[7] in "12"
    assert hundreds[8:13] == "3" * 5
    others = hundreds.replace("3", "")
    assert others in ("12" * 12, "21" * 12)


async def replace(bench: "LaneBench", *, jobs: int, places: int) -> tuple[ScriptedProvider, ScriptedProvider]:
    """An instance of two places that is replaced while both are taken and the other jobs wait; the former and the new one."""
    bench.configure("first", places=2, note="old")
    await bench.open()
    old = bench.provider()
    old.let_go.clear()
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(jobs)))
    await until(lambda: old.got == ["0", "1"])
    await until(shard.took_all)
    bench.configure("first", places=places, note="newer")
    await bench.pool.reload()
    return old, bench.provider()


async def test_what_waits_goes_to_a_replaced_instance_and_its_calls_end_with_the_former(bench: "LaneBench"):
    old, new = await replace(bench, jobs=10, places=3)
    assert new is not old
    await until(lambda: len(bench.statuses) == 8)
    assert (sorted(map(int, new.got)), old.got, old.closed) == (list(range(2, 10)), ["0", "1"], False)
    old.let_go.set()
    await until(lambda: len(bench.statuses) == 10 and old.closed)


async def test_a_replaced_instance_shares_its_places_with_the_new_one(bench: "LaneBench"):
    old, new = await replace(bench, jobs=6, places=2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert new.got == []
    old.let_go.set()
    await until(lambda: len(bench.statuses) == 6 and old.closed)
    assert sorted(new.got) == ["2", "3", "4", "5"]


async def test_the_newest_instance_begins_once_a_call_of_one_replaced_long_ago_has_ended(bench: "LaneBench"):
    oldest, between = await replace(bench, jobs=6, places=2)
    bench.configure("first", places=2, note="newest")
    await bench.pool.reload()
    newest = bench.provider()
    await until(lambda: between.closed)
    assert newest.got == []
    oldest.let_go.set()
    await until(lambda: len(bench.statuses) == 6)
    assert sorted(newest.got) == ["2", "3", "4", "5"]


async def test_a_provider_that_answers_a_cancelled_call_holds_up_nobody(
    bench: "LaneBench", monkeypatch: pytest.MonkeyPatch
):
    send = ScriptedProvider.send

    async def stubborn(provider: ScriptedProvider, job: Job) -> Answer:
        try:
            return await send(provider, job)
        except asyncio.CancelledError:
            return Accepted()

    monkeypatch.setattr(ScriptedProvider, "send", stubborn)
    bench.configure("first", places=1)
    await bench.open(max_unrecorded=2)
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(3)))
    await until(lambda: provider.got == ["0"])
    work.cancel()
    await asyncio.wait([work], timeout=10)
    assert work.done()
    assert not bench.pool.lane_limits[bench.lane].reached
    provider.let_go.set()
    bench.start()
    await until(lambda: len(bench.statuses) == 3)


async def test_an_instance_that_is_gone_leaves_its_jobs_to_the_next_they_name(bench: "LaneBench"):
    bench.configure("first", "second", places=1)
    await bench.open()
    first = bench.provider("first")
    first.let_go.clear()
    shard, _ = bench.start()
    shard.put(*(bench.job(number, providers=["first", "second"]) for number in range(4)))
    shard.put(bench.job(4, providers=["first"]))
    await until(lambda: first.got == ["0"])
    bench.configure("second", places=1)
    await bench.pool.reload()
    first.let_go.set()
    await until(lambda: len(bench.statuses) == 5)
    assert bench.provider("second").got == ["1", "2", "3"]
    assert {(s.status, s.provider) for s in bench.statuses if s.delivery_id == "d4"} == {("failed", None)}


async def test_test_jobs_go_to_the_sandbox(bench: "LaneBench"):
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1, test=True, providers=["nowhere"]))
    await until(lambda: len(bench.statuses) == 1)
    assert (bench.statuses[0].provider, bench.provider().got) == ("sandbox", [])


async def test_a_slow_provider_does_not_hold_up_another(bench: "LaneBench"):
    bench.configure("first", "second", places=1)
    await bench.open(max_unrecorded=10)
    bench.provider("first").let_go.clear()
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(100)))
    shard.put(*(bench.job(number, providers=["second"]) for number in range(100, 120)))
    await until(lambda: len(bench.statuses) == 20)
    assert len(bench.provider("second").got) == 20
