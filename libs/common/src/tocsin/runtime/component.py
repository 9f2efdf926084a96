"""A part of a service with a life of its own: a consumer, a producer, a database, a replica."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol


class Component(Protocol):
    """Opened in order, run together, closed in reverse. Clients that need a running loop are made in `open`, not before."""

    @property
    def name(self) -> str:
        """How logs name it."""
        ...

    async def open(self) -> None:
        """Return when it can be used. May wait for what is outside (see `retry_until_available`); is cancelled if the process
        is told to stop."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, finish what is in flight, return. Returning earlier, or raising, ends the process."""
        ...

    async def close(self) -> None:
        """Let go of everything. Called once for each component whose `open` was begun, even if that failed or was cancelled."""
        ...


async def _nothing() -> None:
    """What a component does that has nothing to do."""


async def _until_stopped(stop: asyncio.Event) -> None:
    await stop.wait()


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionComponent:
    """A component made of functions, for what needs only one or two: a check at start, a client, work now and then."""

    name: str
    open: Callable[[], Coroutine[Any, Any, None]] = _nothing
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]] = _until_stopped
    close: Callable[[], Coroutine[Any, Any, None]] = _nothing


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, stop: asyncio.Event) -> None:
    """Wait `seconds`, do the work, and so on until `stop`; work under way ends first."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            await work()
