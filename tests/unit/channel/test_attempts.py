"""The limit of a call: it ends the call and nothing else."""

import asyncio

import pytest

from tocsin.channel.attempts import _Deadline


async def test_a_deadline_that_passes_is_no_cancellation_of_the_task() -> None:
    deadline = _Deadline(0.001)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert (deadline.end(), task.cancelling()) == (True, 0)
    await asyncio.sleep(0)


async def test_a_deadline_does_not_hide_that_the_task_was_cancelled_too() -> None:
    async def call() -> bool:
        deadline = _Deadline(0.0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return deadline.end()
        return True

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or task.result() is False


async def test_a_deadline_that_has_ended_cancels_nothing() -> None:
    deadline = _Deadline(0.0)
    assert deadline.end() is False
    await asyncio.sleep(0.001)
