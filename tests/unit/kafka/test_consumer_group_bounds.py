"""How long a consumer may take to end, to read and to work, on a cluster in memory."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.kafka.conftest import HASTY, MemoryStage, stubborn

from tocsin.kafka import (
    ConsumerGroup,
    DrainTooSlow,
    GroupTimeouts,
    NoProgress,
    Shard,
)
from tocsin.kafka.consume import consumer_group
from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.testing.kafka.group import MemoryMember
from tocsin.testing.stage import MemoryTable, numbers, take_all
from tocsin.testing.until import until

IMPATIENT = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2, progress_timeout=0.04
)


@pytest.mark.parametrize("rejoins", [0, 3])
async def test_work_that_does_not_end_in_time_ends_the_membership(
    prepared: MemoryStage, rejoins: int
) -> None:
    """Who was told to stop does not join anew, and says why it did not end well."""
    running = await prepared.fenced(stubborn, timeouts=HASTY, rejoins=rejoins).start()
    await until(lambda: len(running.component.held) == 2)
    with pytest.raises(
        DrainTooSlow, match=r"What shards 0, 1 of tocsin\.copier held did not end within 0\.05 s"
    ):
        await running.leave()


async def test_told_to_stop_during_a_drain_that_is_too_slow_it_does_not_drain_again(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drains: list[int] = []
    drain = ConsumerGroup._drain

    async def counted(group: ConsumerGroup[Any]) -> None:
        if group._tasks:
            drains.append(1)
        await drain(group)

    monkeypatch.setattr(ConsumerGroup, "_drain", counted)
    running = await prepared.fenced(stubborn, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    await until(lambda: drains == [1])
    with pytest.raises(DrainTooSlow):
        await running.leave()
    assert drains == [1]
    await other.leave()


async def test_it_is_not_ready_while_it_drains(prepared: MemoryStage) -> None:
    prepared.clock = ManualClock()  # for the watchdog time stands still
    health, ending = Health(service="test"), asyncio.Event()

    async def slow(shard: Shard) -> None:
        await shard.revoked.wait()
        await ending.wait()

    every_turn = replace(IMPATIENT, progress_timeout=1e-9)  # the watch looks in every turn of the event loop
    running = await prepared.fenced(slow, health=health, timeouts=every_turn).start()
    await until(lambda: health.is_ready and len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    await until(lambda: not running.component.held)
    for _ in range(5):
        await asyncio.sleep(0.01)
        assert "rebalancing" in str(health.reasons())
    ending.set()
    await until(lambda: health.is_ready)
    await running.leave()
    await other.leave()


async def test_work_that_outlives_its_cancellation_is_said(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_group, "LEAVE", 0.05)
    ending = asyncio.Event()

    async def immortal(shard: Shard) -> None:
        while not ending.is_set():
            try:
                await ending.wait()
            except asyncio.CancelledError:
                continue

    running = await prepared.fenced(immortal, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    with pytest.raises(
        RuntimeError, match=r"shards \[0, 1\] of tocsin\.copier goes on although it was cancelled"
    ):
        await running.leave()
    ending.set()


async def test_a_release_that_is_too_slow_holds_up_no_other_member(prepared: MemoryStage) -> None:
    running = await prepared.fenced(stubborn, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    with pytest.raises(DrainTooSlow):
        await running.ended()
    await until(lambda: len(other.component.held) == 2)
    await other.leave()


async def test_reading_that_stands_still_ends_the_membership(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryMember, "poll", never)
    prepared.clock = clock = ManualClock()
    running = await prepared.projection(MemoryTable(), timeouts=IMPATIENT).start()
    await until(lambda: running.partitions == 4)
    clock.advance(1)
    with pytest.raises(NoProgress, match=r"The poll loop of tocsin\.table has not turned for 0\.04 s"):
        await running.ended()


async def test_a_shard_that_stands_still_ends_the_membership(prepared: MemoryStage) -> None:
    prepared.clock = clock = ManualClock()
    table = MemoryTable()
    table.may_apply.clear()
    running = await prepared.projection(table, timeouts=IMPATIENT).start()
    await prepared.publish_values(numbers(1))
    await until(lambda: table.calls == 1)
    polled = running.component._reading.turned

    def advanced() -> bool:
        """By steps that reading keeps up with: only the shard stands still."""
        if running.component._reading.turned > polled or clock.monotonic() == polled:
            clock.advance(0.01)
        assert running.task is not None
        return running.task.done()

    await until(advanced)
    with pytest.raises(NoProgress, match=r"Shard 0 of tocsin\.table stood still for 0\.04 s"):
        await running.ended()
    assert table.rows == []
