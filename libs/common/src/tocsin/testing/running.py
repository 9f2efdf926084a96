"""A component's life for the length of a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.runtime import Component


@asynccontextmanager
async def running(component: Component) -> AsyncIterator[None]:
    """Open it, run it beside the block, and end it as a service would: told to stop, waited for, closed. What it fails with ends the block."""
    stop, block = asyncio.Event(), asyncio.current_task()
    await component.open()
    task = asyncio.create_task(component.run(stop))

    def end_the_block(ended: asyncio.Task[None]) -> None:
        if block is not None and not stop.is_set() and not ended.cancelled() and ended.exception():
            block.cancel()

    task.add_done_callback(end_the_block)
    try:
        yield
    finally:
        stop.set()
        try:
            await task
        finally:
            await component.close()
