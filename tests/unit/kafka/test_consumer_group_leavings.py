"""Nothing outlives a consumer, however it ends, on a cluster in memory."""

import asyncio
from functools import partial
from typing import Any

import pytest
from tests.unit.kafka.conftest import MemoryStage, once

from tocsin.kafka import (
    ConsumptionStopped,
    LeaseLost,
)
from tocsin.kafka.consume import consumer_group
from tocsin.runtime import Health
from tocsin.testing.kafka.cluster import MemoryTransactions
from tocsin.testing.stage import HoldAt, Running, numbers
from tocsin.testing.until import until


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[MemoryTransactions]:
    """All transactional producers that a test opened."""
    producers: list[MemoryTransactions] = []
    original = MemoryTransactions.open

    async def opening(self: MemoryTransactions) -> None:
        producers.append(self)
        await original(self)

    monkeypatch.setattr(MemoryTransactions, "open", opening)
    return producers


def nothing_is_left(
    stage: MemoryStage, opened: list[MemoryTransactions], mine: set[asyncio.Task[Any]]
) -> None:
    assert asyncio.all_tasks() - mine == set()
    assert not stage.cluster.group(stage.topic("copier")).members
    assert all(producer._epoch is None for producer in opened)


@pytest.mark.parametrize("rebalance", [False, True])
@pytest.mark.parametrize("how", ["cancelled", "stopped"])
async def test_nothing_outlives_a_run_that_ends_anywhere(
    prepared: MemoryStage, opened: list[MemoryTransactions], how: str, rebalance: bool
) -> None:
    """After any number of turns of the event loop: while it joins, fences, reads and writes; with ``rebalance`` also while
    it releases its shards and gets them back."""
    mine, group = asyncio.all_tasks(), prepared.cluster.group(prepared.topic("copier"))
    values: list[bytes] = []
    for turns in range(60):
        running = await prepared.copier().start()
        assert running.task is not None
        if rebalance:
            await until(partial(_holds, running, 2), every=0)
            next(iter(group.members.values())).called.set()
        await prepared.publish_values(more := numbers(len(values), len(values) + 4))
        values += more
        for _ in range(turns):
            await asyncio.sleep(0)
        if how == "cancelled":
            running.task.cancel()
            await asyncio.wait([running.task])
        else:
            await running.leave()
        nothing_is_left(prepared, opened, mine)
    running = await prepared.copier().start()
    await until(lambda: prepared.copied(values))
    await running.leave()


async def test_a_transaction_that_does_not_end_is_given_up(
    prepared: MemoryStage, opened: list[MemoryTransactions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_group, "LEAVE", 0.05)
    mine, hold = asyncio.all_tasks(), HoldAt("before_commit")
    running = await prepared.copier(failpoints=hold).start()
    await prepared.publish_values(numbers(1))
    await hold.reached.wait()
    assert running.task is not None
    running.task.cancel()
    await asyncio.wait([running.task])
    nothing_is_left(prepared, opened, mine)


@pytest.mark.parametrize(
    "error", [LeaseLost("lost"), LookupError("a defect"), ConsumptionStopped("no statuses")]
)
async def test_nothing_outlives_a_run_that_fails(
    prepared: MemoryStage, opened: list[MemoryTransactions], error: Exception
) -> None:
    mine = asyncio.all_tasks()
    health = Health(service="test")
    running = await prepared.fenced(once(error), health=health).start()
    if isinstance(error, ConsumptionStopped):
        await until(lambda: "no statuses" in str(health.reasons()))
        await running.leave()
    else:
        with pytest.raises(type(error)):
            await running.ended()
    assert len(opened) == 2
    nothing_is_left(prepared, opened, mine)


def _holds(running: Running, shards: int) -> bool:
    return len(running.component.held) == shards
