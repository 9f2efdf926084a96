"""A provider's places: bounded, and a share of them for the critical lane alone."""

import asyncio

import pytest

from tocsin.channel.gate import FAIR, Gate
from tocsin.contracts.vocabulary import Lane


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_bulk_leaves_the_reserved_places_to_critical():
    gate = Gate(limit=3, reserved=1)
    await gate.enter(Lane.BULK)
    await gate.enter(Lane.BULK)
    third = asyncio.create_task(gate.enter(Lane.BULK))
    await settled()
    assert not third.done()
    await asyncio.wait_for(gate.enter(Lane.CRITICAL), 1)
    gate.leave()
    await settled()
    assert not third.done()
    gate.leave()
    await asyncio.wait_for(third, 1)


async def test_critical_goes_before_those_who_waited_longer():
    gate = Gate(limit=1, reserved=0)
    await gate.enter(Lane.BULK)
    bulk = asyncio.create_task(gate.enter(Lane.BULK))
    await settled()
    critical = asyncio.create_task(gate.enter(Lane.CRITICAL))
    await settled()
    gate.leave()
    await asyncio.wait_for(critical, 1)
    assert not bulk.done()
    gate.leave()
    await asyncio.wait_for(bulk, 1)


async def test_a_long_critical_load_does_not_stop_the_others():
    gate = Gate(limit=1, reserved=0)
    await gate.enter(Lane.CRITICAL)
    bulk = asyncio.create_task(gate.enter(Lane.BULK))
    codes = [asyncio.create_task(gate.enter(Lane.CRITICAL)) for _ in range(20)]
    await settled()
    for _ in range(FAIR):
        assert not bulk.done()
        gate.leave()
        await settled()
    assert bulk.done()
    assert sum(code.done() for code in codes) == FAIR - 1
    for code in codes:
        code.cancel()
    await asyncio.gather(*codes, return_exceptions=True)


async def test_who_gives_up_waiting_takes_no_place():
    gate = Gate(limit=1, reserved=0)
    await gate.enter(Lane.BULK)
    waiting = asyncio.create_task(gate.enter(Lane.BULK))
    given_up_late = asyncio.create_task(gate.enter(Lane.BULK))
    await settled()
    waiting.cancel()
    await settled()
    gate.leave()  # gives the place to the second ...
    given_up_late.cancel()  # ... who no longer wants it
    await asyncio.gather(waiting, given_up_late, return_exceptions=True)
    await asyncio.wait_for(gate.enter(Lane.BULK), 1)


def test_a_reserve_as_large_as_the_limit_makes_no_sense():
    with pytest.raises(ValueError, match="must be smaller"):
        Gate(limit=2, reserved=2)
