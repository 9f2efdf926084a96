"""Rows change while the table is asked what is due: nothing is passed over, and nothing fires twice."""

import asyncio
from typing import Any

import pytest
from tests.integration.scheduler.conftest import Scheduling
from tests.integration.scheduler.test_firing import kept, metric, written

from tocsin.contracts.ids import recipient_key
from tocsin.kafka import partition_for
from tocsin.scheduler.timers_table import DueTimer, TimersTable
from tocsin.testing.stage import HoldAt
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


class Asking:
    """The first answer of the table that names a timer is held back from the time `hold` is called until `open`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._due = TimersTable.due
        self._holds = False
        self.held, self.open = asyncio.Event(), asyncio.Event()
        asking = self

        async def due(table: TimersTable, *args: Any, **more: Any) -> list[DueTimer]:
            timers = await asking._due(table, *args, **more)
            if timers and asking._holds:
                asking._holds = False
                asking.held.set()
                await asking.open.wait()
            return timers

        monkeypatch.setattr(TimersTable, "due", due)

    def hold(self) -> None:
        self._holds = True


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(monkeypatch)


def of_shard_0(partition: int) -> list[int]:
    """The numbers of timers in this partition, which is one of the first shard's two."""
    assert partition in (0, 2)
    return [n for n in range(100) if partition_for(recipient_key("acme", f"r{n}"), 4) == partition]


async def test_what_is_kept_meanwhile_and_is_due_earlier_is_not_passed_over(
    scheduling: Scheduling, asking: Asking
) -> None:
    first, earlier, *_ = of_shard_0(0)
    asking.hold()
    await scheduling.member().start()
    await scheduling.set(scheduling.timer(first, hours=-1))
    await asyncio.wait_for(asking.held.wait(), 30)
    await scheduling.set(scheduling.timer(earlier, hours=-2))
    await until(lambda: metric("pending_timers") == 2)
    asking.open.set()
    await written(scheduling, sorted([first, earlier]))


async def test_what_is_read_back_meanwhile_does_not_fire_again(
    scheduling: Scheduling, asking: Asking
) -> None:
    first, earlier = of_shard_0(0)[0], of_shard_0(2)[0]
    committing = HoldAt("before_commit")
    await scheduling.member(committing).start()
    await scheduling.set(scheduling.timer(first, hours=-1))
    await asyncio.wait_for(committing.reached.wait(), 30)
    await scheduling.set(scheduling.timer(earlier, hours=-2))
    await until(lambda: metric("pending_timers") == 2)
    asking.hold()  # the next answer may name both: the first one was fired and is still a row
    committing.open.set()
    await asyncio.wait_for(asking.held.wait(), 30)
    await kept(scheduling, 1)
    await until(lambda: metric("pending_timers") == 1)
    asking.open.set()
    await written(scheduling, sorted([first, earlier]))
