"""Many calls wait under one timer, and each ends at its own deadline."""

import asyncio

import pytest

from tocsin.kafka.produce.deadlines import Deadlines


async def test_each_call_ends_at_its_own_deadline():
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()

    async def call(seconds: float) -> None:
        deadline = loop.time() + seconds
        with pytest.raises(TimeoutError):
            await deadlines.wait(loop.create_future(), deadline)
        assert loop.time() >= deadline

    async with asyncio.timeout(5):
        await asyncio.gather(call(0.06), call(0.02), call(0.04))


async def test_what_is_done_in_time_is_left_alone():
    loop = asyncio.get_running_loop()
    deadlines, done, late = Deadlines(), loop.create_future(), loop.create_future()
    loop.call_soon(done.set_result, None)
    await deadlines.wait(done, loop.time() + 0.01)
    with pytest.raises(TimeoutError):
        await deadlines.wait(late, loop.time() + 0.02)
    assert done.result() is None


async def test_an_error_and_a_cancellation_pass_through():
    loop = asyncio.get_running_loop()
    deadlines, fails = Deadlines(), loop.create_future()
    fails.set_exception(KeyError("why"))
    with pytest.raises(KeyError, match="why"):
        await deadlines.wait(fails, loop.time() + 5)
    waits = loop.create_future()
    task = asyncio.create_task(deadlines.wait(waits, loop.time() + 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits.cancelled()


async def test_a_deadline_that_has_passed_ends_at_once():
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await Deadlines().wait(loop.create_future(), loop.time() - 1)
