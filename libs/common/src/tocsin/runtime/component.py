"""A part of a service with a life of its own: a consumer, a producer, a database, a replica."""

import asyncio
from typing import Protocol


class Component(Protocol):
    """Opened in order, run together, closed in reverse. Clients that need a running loop are made in `open`, not before."""

    @property
    def name(self) -> str:
        """How logs name it."""
        ...

    async def open(self) -> None:
        """Return when it can be used. May wait for what is outside (see `wait_for`); is cancelled if the process is told to stop."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, finish what is in flight, return. Returning earlier, or raising, ends the process."""
        ...

    async def close(self) -> None:
        """Let go of everything. Called once for each component whose `open` was begun, even if that failed or was cancelled."""
        ...
