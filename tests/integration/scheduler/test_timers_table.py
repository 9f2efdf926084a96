"""What the log of timers says becomes rows, in its order, whatever batches it comes in."""

from datetime import timedelta

import pytest
from msgspec import structs

from tocsin.contracts.ids import run_timer_id
from tocsin.contracts.timers import TimerFired
from tocsin.contracts.vocabulary import TimerEnd
from tocsin.kafka import OwnershipLost, PartitionBatch
from tocsin.scheduler.timers_log import Said
from tocsin.scheduler.timers_table import BEGINNING, FiringPosition

from .conftest import NOTIFICATION, START, Log, erase, hurry, timer

pytestmark = pytest.mark.postgres

HOUR = timedelta(hours=1)


def fired(number: int) -> TimerFired:
    return TimerFired(id=run_timer_id(notification=NOTIFICATION.format(number), turn=0), how=TimerEnd.DUE)


async def test_what_is_due_comes_oldest_first(log: Log):
    earliest = await log.write(timer(1, START + 2 * HOUR), timer(2, START + HOUR), timer(3, START + 3 * HOUR))
    assert earliest == START + HOUR
    assert await log.due(START) == []
    assert await log.due(START + 2 * HOUR) == [(2, 0, False), (1, 0, False)]
    assert await log.table.next_due({0: BEGINNING}) == START + HOUR
    behind = FiringPosition(START + HOUR, 1)  # timer 2, which was fired
    assert await log.due(START + 2 * HOUR, behind=behind) == [(1, 0, False)]
    assert await log.table.next_due({0: behind}) == START + 2 * HOUR


async def test_of_those_due_at_the_same_moment_the_place_tells_by_the_offset(log: Log):
    await log.write(*(timer(number, START) for number in range(4)))
    assert await log.due(START, behind=FiringPosition(START, 1)) == [(2, 0, False), (3, 0, False)]
    assert await log.due(START, behind=FiringPosition(START, 3)) == []
    assert await log.table.next_due({0: FiringPosition(START, 3)}) is None


async def test_what_is_due_at_once_comes_in_the_order_of_the_log_and_by_bytes(log: Log):
    await log.write(*(timer(number, START) for number in (3, 1, 2)))
    each = len(b'{"number":1,"turn":0}')
    three = [(3, 0, False), (1, 0, False), (2, 0, False)]
    for most_bytes, given in ((1, 1), (each, 1), (each + 1, 2), (2 * each + 1, 3)):
        assert await log.due(START, most_bytes=most_bytes) == three[:given]


async def test_what_names_no_uuid_is_set_aside(log: Log):
    given = [
        structs.replace(timer(1, START), id="1"),
        structs.replace(timer(1, START), notification_id="n"),
        structs.replace(hurry(1), notification_id="n"),
        TimerFired(id="1", how=TimerEnd.DUE),
    ]
    await log.write(*given)
    assert len(log.said.unreadable) == 4
    assert await log.due(START) == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_set_twice_is_one_and_fired_is_none(log: Log, at_once: bool):
    records = [timer(1, START), timer(1, START), timer(2, START), fired(1)]
    for batch in [records] if at_once else [[record] for record in records]:
        await log.write(*batch)
    assert await log.due(START) == [(2, 0, False)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_erased_is_what_was_set_before(log: Log, at_once: bool):
    records = [
        timer(1, START, recipient="ada"),
        erase("ada"),
        timer(2, START, recipient="ada"),
        timer(3, START),
    ]
    for batch in [records] if at_once else [[record] for record in records]:
        await log.write(*batch)
    assert await log.due(START) == [(2, 0, False), (3, 0, False)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_news_wakes_the_timer_that_waits_for_it(log: Log, at_once: bool):
    records = [
        timer(1, START + HOUR, wakes_on="1"),
        timer(2, START + HOUR, wakes_on="2"),
        timer(3, START + HOUR),
        hurry(1), hurry(2), hurry(3),
    ]  # fmt: skip
    for batch in [records] if at_once else [[record] for record in records]:
        await log.write(*batch)
    assert await log.due(START) == [(1, 0, True)]


@pytest.mark.parametrize(("minutes", "wakes"), [(9.9, True), (10.1, False)])
async def test_news_that_came_before_wakes_the_next_timer_for_ten_minutes(
    log: Log, minutes: float, wakes: bool
):
    await log.write(hurry(1))
    log.at += timedelta(minutes=minutes)
    earliest = await log.write(timer(1, START + HOUR, wakes_on="1"))
    assert earliest == (START if wakes else START + HOUR)
    assert await log.due(log.at) == ([(1, 0, True)] if wakes else [])


async def test_seen_twice_and_then_a_wait_for_something_else_does_not_spin(log: Log):
    """The second news meets the next timer of the step, wakes it once, and is used up."""
    await log.write(timer(1, START + HOUR, wakes_on="1"), hurry(1), fired(1), hurry(1))
    await log.write(timer(1, START + HOUR, turn=1, wakes_on="1"))
    assert await log.due(START) == [(1, 1, True)]
    second = TimerFired(id=run_timer_id(notification=NOTIFICATION.format(1), turn=1), how=TimerEnd.HURRIED)
    await log.write(second, timer(1, START + HOUR, turn=2, wakes_on="1"))
    assert await log.due(START) == []
    assert await log.due(START + HOUR) == [(1, 2, False)]


async def test_what_is_no_timer_is_said_and_the_rest_is_kept(log: Log):
    elsewhere = timer(2, START, topic="directory")
    without_offset = timer(3, START.replace(tzinfo=None))
    await log.write(b"no timer", elsewhere, without_offset, timer(1, START))
    assert await log.due(START) == [(1, 0, False)]
    assert [(record.offset, reason) for record, reason in log.said.unreadable] == [
        (0, "/: is no JSON, or nests too deep"),
        (1, "/topic: is none that the scheduler writes on this lane"),
        (2, "/due: must name its offset from UTC"),
    ]


async def test_of_two_owners_one_keeps(log: Log):
    await log.write(timer(1, START))
    other = PartitionBatch(partition=log.partition, records=[], expected=0, next=7)
    with pytest.raises(OwnershipLost):
        await log.table.keep([other], Said())
    assert await log.table.load_positions([log.partition]) == {log.partition: 1}
