"""Lanes share a process: no slice of work may hold the event loop for long."""

import asyncio
from time import perf_counter
from typing import Final

SLICE_SECONDS: Final = 0.003


class Breath:
    """`if breath.due: await breath.take()` between two records."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def due(self) -> bool:
        """Whether the slice has lasted long enough: the test for hot loops, cheaper than a call that awaits."""
        return perf_counter() - self._since > SLICE_SECONDS

    async def take(self) -> None:
        """Let others run."""
        await asyncio.sleep(0)
        self._since = perf_counter()
