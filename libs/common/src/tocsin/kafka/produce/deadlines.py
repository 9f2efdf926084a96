"""Deadlines of many calls under one timer: a timer of its own costs a call 7 µs, as much as its record."""

import asyncio
import math


class Deadlines:
    """Futures that fail with TimeoutError when their time is over."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Future[None], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    async def wait(self, future: "asyncio.Future[None]", deadline: float) -> None:
        """Until the future is done. Raises what it raises, and TimeoutError at the loop's time `deadline`."""
        self._open[future] = deadline
        if deadline < self._due:
            self._look_at(deadline)
        try:
            await future
        finally:
            del self._open[future]

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = moment
        self._timer = asyncio.get_running_loop().call_at(moment, self._look)

    def _look(self) -> None:
        """The timer is set for the earliest deadline that was known when it was set: most calls have ended by then."""
        self._timer, self._due = None, math.inf
        now = asyncio.get_running_loop().time()
        for future, deadline in self._open.items():
            if deadline <= now and not future.done():
                future.set_exception(TimeoutError())
        left = [deadline for future, deadline in self._open.items() if not future.done()]
        if left:
            self._look_at(min(left))
