"""Two things one does with tasks: wait for the first of several, and end some and wait until they have ended."""

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


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended. What they raise is left for whoever looks at them."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
