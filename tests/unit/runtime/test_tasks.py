"""Waiting for tasks."""

import asyncio

import pytest

from tocsin.runtime.tasks import until_ended


async def test_who_waits_until_all_have_ended_is_not_hurried_by_a_cancellation():
    let_end = asyncio.Event()
    slow = asyncio.create_task(let_end.wait())
    waiting = asyncio.create_task(until_ended([slow]))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    let_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert slow.done()


async def test_what_has_ended_is_not_waited_for():
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    await until_ended([done])
    await until_ended([])
