"""Memory that is given out in the order in which it was asked for, with a bound for each of those who ask.

Whoever gives less than everything to one far end lets one that drips hold up only what goes there.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping


class Claim:
    """So many bytes for one message, until they are released. `parts` says of whose share they are, and how many bytes that has."""

    def __init__(self, room: "Room", size: int, parts: Mapping[str, int]) -> None:
        self._room = room
        self.size = size
        self.parts = dict(parts)
        self.given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken = False
        """Whether it has them, or had."""
        self._over = False

    def leave(self, part: str) -> None:
        """They are of this share no longer; they stay taken."""
        if self.parts.pop(part, None) is not None and not self._over:
            self._room.give_back(0, {part: self.size})

    def release(self) -> None:
        """They are free. A second time has no effect."""
        if not self._over:
            self._over = True
            self._room.give_back(self.size, dict.fromkeys(self.parts, self.size))


class Room:
    """At most `size` bytes at once. What is larger than the room, or than its share, has it alone.

    Those of the same shares wait in their order; the others take turns. One that waits for the room as a whole lets no other pass, or it
    would wait for ever.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.taken = 0
        self._of_part: Counter[str] = Counter()
        self._lines: OrderedDict[tuple[str, ...], deque[Claim]] = OrderedDict()

    async def claim(self, size: int, parts: Mapping[str, int]) -> Claim:
        """Wait for so many bytes. The caller releases them."""
        claim = Claim(self, size, parts)
        line = tuple(claim.parts)
        self._lines.setdefault(line, deque()).append(claim)
        self._give_out()
        try:
            await claim.given
        except asyncio.CancelledError:
            if claim.taken:
                claim.release()
            else:
                self._forget(line, claim)
            raise
        return claim

    def give_back(self, size: int, parts: Mapping[str, int]) -> None:
        """Some are free, or of a share no longer."""
        self.taken -= size
        for part, bytes_of_part in parts.items():
            self._of_part[part] -= bytes_of_part
            if not self._of_part[part]:
                del self._of_part[part]
        self._give_out()

    def _give_out(self) -> None:
        passed_over = 0
        while passed_over < len(self._lines):
            line, waiting = next(iter(self._lines.items()))
            claim = waiting[0]
            if claim.given.cancelled():  # who waited learns it in a moment
                self._forget(line, claim)
                continue
            if self.taken and self.taken + claim.size > self._size:
                return
            self._lines.move_to_end(line)
            if not self._has_share(claim):
                passed_over += 1
                continue
            passed_over = 0
            self._forget(line, claim)
            claim.taken = True
            self.taken += claim.size
            for part in claim.parts:
                self._of_part[part] += claim.size
            claim.given.set_result(None)

    def _has_share(self, claim: Claim) -> bool:
        return all(
            not (taken := self._of_part[part]) or taken + claim.size <= most
            for part, most in claim.parts.items()
        )

    def _forget(self, line: tuple[str, ...], claim: Claim) -> None:
        waiting = self._lines.get(line)
        if waiting is None or claim not in waiting:
            return
        waiting.remove(claim)
        if not waiting:
            del self._lines[line]
