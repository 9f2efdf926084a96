"""Timers on a real broker and a real database: each fires once, whoever dies where, and wherever the clock is moved to."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.vocabulary import TimerEnd
from tocsin.kafka import ProducerRecord
from tocsin.scheduler import firing
from tocsin.testing.stage import HoldAt, Running
from tocsin.testing.until import until

from .conftest import START, Scheduling, hurry, timer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def kept(scheduling: Scheduling, count: int) -> None:
    async def are_kept() -> bool:
        return await scheduling.rows() == count

    await until(are_kept)


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(f"tocsin_{name}", {"lane": "bulk"}) or 0.0


async def written(scheduling: Scheduling, numbers: list[int]) -> None:
    """Exactly these, and nothing is left or comes after them."""

    async def all_came() -> bool:
        came = await scheduling.written()
        assert len(came) == len(set(came)), "a timer fired twice"
        return came == numbers

    await until(all_came)
    await kept(scheduling, 0)
    assert await scheduling.written() == numbers


async def test_a_timer_fires_when_it_is_due_and_is_gone(scheduling: Scheduling):
    member = await scheduling.member().start()
    await scheduling.set(
        *(scheduling.timer(number, hours=1) for number in range(10)), scheduling.timer(10, days=90)
    )
    await kept(scheduling, 11)
    await until(lambda: metric("pending_timers") == 11)
    assert await scheduling.written() == []
    scheduling.clock.advance(hours=1)
    await until(lambda: _came(scheduling, 10))
    await kept(scheduling, 1)
    assert {fired.how for fired in await scheduling.fired()} == {TimerEnd.DUE}
    scheduling.clock.advance(days=90)
    await written(scheduling, list(range(11)))
    await until(lambda: metric("pending_timers") == 0)
    assert metric("oldest_due_timer_seconds") == 0
    await scheduling.set(scheduling.timer(11, days=91))
    await until(lambda: metric("pending_timers") == 1)
    await member.leave()
    assert metric("pending_timers") == 0


async def test_what_is_due_and_cannot_be_written_is_seen_by_its_age(scheduling: Scheduling):
    hold = HoldAt("before_commit")
    await scheduling.member(hold).start()
    await scheduling.set(scheduling.timer(1, hours=-1))
    await asyncio.wait_for(hold.reached.wait(), 30)
    assert metric("oldest_due_timer_seconds") == 3600


async def _came(scheduling: Scheduling, count: int) -> bool:
    return len(await scheduling.written()) == count


async def test_what_is_due_already_fires_at_once_and_hurried_says_so(scheduling: Scheduling):
    await scheduling.member().start()
    waits = timer(2, START + timedelta(days=1), topic=scheduling.stage.topic("intents"), wakes_on="1")
    await scheduling.set(scheduling.timer(1, days=-3), waits)
    await until(lambda: _came(scheduling, 1))
    scheduling.clock.set(START + timedelta(hours=12))
    await scheduling.set(hurry(2))
    await written(scheduling, [1, 2])
    assert sorted(fired.how for fired in await scheduling.fired()) == [TimerEnd.DUE, TimerEnd.HURRIED]


async def test_what_is_set_behind_what_has_fired_and_was_hurried_before_fires(scheduling: Scheduling):
    """What was due later has fired already; and what meets its news when it is set needs nothing else to happen."""
    await scheduling.member().start()
    scheduling.clock.set(START + timedelta(hours=12))
    await scheduling.set(scheduling.timer(1, hours=11), hurry(2))
    await until(lambda: _came(scheduling, 1))
    waits = timer(2, START + timedelta(days=1), topic=scheduling.stage.topic("intents"), wakes_on="1")
    await scheduling.set(waits, scheduling.timer(3, hours=10), scheduling.timer(4, hours=11))
    await written(scheduling, [1, 2, 3, 4])


async def test_more_than_one_transaction_holds_that_are_due_at_one_moment_fire_once_each(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(firing, "AT_ONCE", 7)
    member = await scheduling.member().start()
    await scheduling.set(*(scheduling.timer(number, hours=1) for number in range(100)))
    await kept(scheduling, 100)
    scheduling.clock.advance(hours=1)
    await scheduling.set(*(scheduling.timer(number, hours=1, seconds=-number) for number in range(100, 130)))
    await written(scheduling, list(range(130)))
    await member.leave()


async def test_the_clock_may_be_set_both_ways(scheduling: Scheduling):
    await scheduling.member().start()
    await scheduling.set(scheduling.timer(1, hours=2), scheduling.timer(2, hours=4))
    await kept(scheduling, 2)
    scheduling.clock.set(START - timedelta(days=1))
    await scheduling.set(scheduling.timer(3, hours=-30))
    await until(lambda: _came(scheduling, 1))
    scheduling.clock.set(START + timedelta(hours=3))
    await until(lambda: _came(scheduling, 2))
    scheduling.clock.set(START)
    scheduling.clock.set(START + timedelta(hours=5))
    await written(scheduling, [1, 2, 3])


@pytest.mark.parametrize(
    "place", ["after_produce", "before_commit", "after_commit", "before_rows_commit", "after_rows_commit"]
)
async def test_an_owner_that_dies_there_leaves_each_timer_to_fire_once(scheduling: Scheduling, place: str):
    await scheduling.set(*(scheduling.timer(number, hours=-1) for number in range(20)))
    hold = HoldAt(place)
    first = await scheduling.member(hold).start()
    await asyncio.wait_for(hold.reached.wait(), 30)
    second = await scheduling.member().start()
    await first.discard()
    await until(lambda: second.partitions == 4)
    await written(scheduling, list(range(20)))


async def test_a_shard_is_given_over_and_nothing_fires_twice(scheduling: Scheduling):
    first = await scheduling.member().start()
    members: list[Running] = [first]
    for turn in range(3):
        await scheduling.set(*(scheduling.timer(turn * 50 + number, seconds=-number) for number in range(50)))
        members.append(await scheduling.member().start())
        await members.pop(0).leave()
    await written(scheduling, list(range(150)))


async def test_what_is_no_timer_is_a_dead_letter_and_many_of_them_stop_the_lane(scheduling: Scheduling):
    member = await scheduling.member().start()
    await scheduling.stage.publish(ProducerRecord(scheduling.stage.topic("timers"), b"acme/ada", b"no timer"))
    await scheduling.set(scheduling.timer(1, hours=-1))
    await written(scheduling, [1])
    (dead,) = await scheduling.stage.read("dead.scheduler")
    assert (dead.key, dead.value) == (b"acme/ada", b"no timer")
    junk = ProducerRecord(scheduling.stage.topic("timers"), b"acme/ada", b"no timer")
    await scheduling.stage.publish(*[junk] * 40)
    await until(lambda: "invalid" in str(member.component._check.reason))
    await scheduling.set(scheduling.timer(2, hours=-1))
    assert await scheduling.written() == [1]
