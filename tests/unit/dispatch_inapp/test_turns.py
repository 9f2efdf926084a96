"""Streams read their boxes a few at a time, in the order in which they came, and it is seen how many wait."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from tocsin.dispatch_inapp.turns import Turns


def waiting() -> float:
    return REGISTRY.get_sample_value("tocsin_inbox_streams_waiting") or 0


async def test_the_others_wait_in_their_order_and_are_counted():
    turns, reading, read = Turns(most=2), set[int](), list[int]()
    go = asyncio.Event()

    async def one(number: int) -> None:
        async with turns:
            reading.add(number)
            assert len(reading) <= 2
            await go.wait()
            await asyncio.sleep(0)
            reading.discard(number)
            read.append(number)

    streams = [asyncio.create_task(one(number)) for number in range(6)]
    await asyncio.sleep(0)
    assert (reading, waiting()) == ({0, 1}, 4)
    streams[3].cancel()
    await asyncio.wait({streams[3]})
    assert waiting() == 3
    go.set()
    await asyncio.gather(*streams, return_exceptions=True)
    assert (read, waiting()) == ([0, 1, 2, 4, 5], 0)


async def test_who_fails_gives_its_turn_back():
    turns = Turns(most=1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with turns, asyncio.timeout(0):
                await asyncio.Event().wait()
    async with turns:
        assert waiting() == 0
