"""Long work in the event loop, cut into slices."""

import asyncio
from time import perf_counter
from typing import Final

SLICE_SECONDS: Final = 0.003


class LoopSlice:
    """Lanes and callers share a process: none may hold the event loop for long. `if loop_slice.due: await loop_slice.let_go()` between two records."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def due(self) -> bool:
        """Whether the slice has lasted long enough. Hot loops ask this first: to await each time would cost more."""
        return perf_counter() - self._since > SLICE_SECONDS

    async def let_go(self) -> None:
        """Let others run; the next slice begins."""
        await asyncio.sleep(0)
        self._since = perf_counter()
