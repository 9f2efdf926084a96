"""What one does with tasks: wait for the first of several, end some, wait until they have ended.

What closes something often runs in a task that was cancelled. There a limit is `asyncio.wait_for` or a `seconds` of these
functions: before Python 3.11.3, `asyncio.timeout` raises CancelledError in such a task and not TimeoutError
(https://github.com/python/cpython/issues/102780), so what follows it would not be closed.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def first_of(*waits: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Until one of them is done or, where `seconds` are given, so many have passed; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_all(tasks)


async def end_all(tasks: Iterable[asyncio.Task[Any]], *, seconds: float | None = None) -> None:
    """Cancel tasks and wait until they have ended or, where `seconds` are given, so many have passed.

    What they raise is left for whoever looks at them.
    """
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending, timeout=seconds)


async def until_ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until all have ended, also where whoever waits is cancelled meanwhile; CancelledError is raised after that."""
    waiting, cancelled = list(tasks), False
    while waiting := [task for task in waiting if not task.done()]:
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
