"""The limit of a call: it ends the call and nothing else."""

import asyncio

import pytest

from tocsin.channel.call_deadline import CallDeadline


def begun(seconds: float) -> CallDeadline:
    deadline = CallDeadline()
    deadline.begin(seconds)
    return deadline


async def test_a_deadline_that_passes_is_no_cancellation_of_the_task() -> None:
    deadline = begun(0.001)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert (deadline.end(), task.cancelling()) == (True, 0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("deadline_first", [True, False])
async def test_a_deadline_does_not_hide_that_the_task_was_cancelled_too(deadline_first: bool) -> None:
    """Both in the same turn of the loop, before the task notices either."""

    async def call() -> bool:
        deadline = begun(60)
        cancelling = [deadline._pass, asyncio.current_task().cancel]  # type: ignore[union-attr]
        for cancel in cancelling if deadline_first else reversed(cancelling):
            asyncio.get_running_loop().call_soon(cancel)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        assert deadline._passed
        return deadline.end()

    assert await asyncio.create_task(call()) is False


async def test_a_deadline_that_has_ended_cancels_nothing() -> None:
    deadline = begun(0.0)
    assert deadline.end() is False
    await asyncio.sleep(0.001)


async def test_one_deadline_is_that_of_each_call_in_turn() -> None:
    deadline = begun(60)
    assert deadline.end() is False
    deadline.begin(0.001)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert deadline.end() is True
    deadline.begin(60)
    assert deadline.end() is False
    deadline.close()
