"""How many calls to one provider may be under way, with a share kept for the critical lane."""

import asyncio
from collections import deque

from tocsin.contracts.vocabulary import Lane

FAIR = 8


class Gate:
    """At most `limit` inside; lanes other than critical leave `reserved` places free. First come, first served in each group;
    critical before the others, but for one place in `FAIR`, so that a long critical load does not stop them."""

    def __init__(self, *, limit: int, reserved: int) -> None:
        if not 0 <= reserved < limit:
            raise ValueError(f"The reserved share ({reserved}) must be smaller than the limit ({limit}).")
        self._limit = limit
        self._open_to_all = limit - reserved
        self._inside = 0
        self._critical: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()
        self._preferred = 0
        """How often critical was let in while others waited, since one of them was."""

    async def enter(self, lane: Lane) -> None:
        """Wait for a place; call `leave` when done."""
        critical = lane is Lane.CRITICAL
        queue = self._critical if critical else self._others
        if not queue and self._inside < (self._limit if critical else self._open_to_all):
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place was given in the moment of the cancellation
            elif turn in queue:
                queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give the place to the next who may have it."""
        self._inside -= 1
        while self._critical and self._inside < self._limit:
            self._preferred = self._preferred + 1 if self._others else 0
            if self._preferred == FAIR:
                self._preferred = 0
                self._give(self._others)
            else:
                self._give(self._critical)
        while self._others and self._inside < self._open_to_all:
            self._give(self._others)

    def _give(self, queue: deque[asyncio.Future[None]]) -> None:
        turn = queue.popleft()
        if not turn.cancelled():
            self._inside += 1
            turn.set_result(None)
