"""Streams read their boxes a few at a time: where ten thousand connect anew at once, calls still find a free connection to PostgreSQL."""

import asyncio
from types import TracebackType

from tocsin.observability import metrics


class Turns:
    """At most `most` streams read at once; the others wait in the order in which they came. No more wait than connections are open."""

    def __init__(self, *, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._waiting = 0
        metrics.inbox_streams_waiting.set_function(lambda: self._waiting)

    async def __aenter__(self) -> None:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
