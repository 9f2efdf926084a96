"""A component's life for the length of a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.runtime import Component


@asynccontextmanager
async def running(component: Component) -> AsyncIterator[None]:
    """Open it, run it beside the block, and end it as a service would: told to stop, waited for, closed."""
    stop = asyncio.Event()
    await component.open()
    task = asyncio.create_task(component.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await component.close()
