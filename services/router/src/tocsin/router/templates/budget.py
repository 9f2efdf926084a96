"""What rendering one notification may cost: a count, the same on every machine and in every re-run, and no clock.

Every operation has a fixed price (`weights`), and what handles a text or list charges its size besides, in and out. All parts on
all channels of a notification share one budget.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

BUDGET: Final = 2 * 1024 * 1024
"""Bytes that rendering one notification may handle, counting operations as bytes."""
ITEM: Final = 32
"""What an item of a list or a member of an object counts."""
_NUMBER: Final = 8
_FRACTION: Final = 256
"""A number with a fraction: finding its shortest digits takes up to two microseconds."""
_WORD_BITS: Final = 64
"""A number with more counts as many bytes as it has bits: some of what is done with it takes the square of its length."""


class Exceeded(Exception):
    """The budget does not reach for what comes next. The message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            f"the templates of one notification may handle {BUDGET} bytes, counting operations; "
            "use shorter texts and lists, and fewer loops"
        )


class Budget:
    """What is left for one notification. A charge that is refused takes nothing: a smaller template may still be rendered."""

    __slots__ = ("left",)

    def __init__(self, left: int = BUDGET) -> None:
        self.left = left

    def charge(self, amount: int) -> None:
        """Take the amount. Raises Exceeded when it is not there."""
        if amount > self.left:
            raise Exceeded
        self.left -= amount

    def charge_whole(self, value: Any) -> None:
        """Take the value's size with all that lies in it, however often it lies there."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            self.charge(ITEM + size(item))
            if isinstance(item, list | tuple):
                waiting.extend(item)
            elif isinstance(item, dict):
                waiting.extend(item)
                waiting.extend(item.values())

    def charge_items(self, values: Any, *, times: int = 1) -> None:
        """Take the size of a list and of the texts in it, so many times. The same text may lie there ten thousand times, so
        measuring ends where the budget does.
        """
        if not isinstance(values, list | tuple | dict):
            self.charge(times * size(values))
            return
        total = 0
        for total in accumulate(map(size, values), initial=ITEM * len(values)):
            if times * total > self.left:
                raise Exceeded
        self.charge(times * total)

    def joined(self, pieces: Sequence[str]) -> str:
        """One text of the pieces, charged before it is made. Raises UnicodeEncodeError when UTF-8 cannot hold it."""
        if sum(map(len, pieces)) > self.left:
            raise Exceeded
        text = "".join(pieces)
        self.charge(size(text))
        return text


def size(value: Any) -> int:
    """The bytes of a text, `ITEM` for each item of a list or member of an object. Raises UnicodeEncodeError for a text with half
    a surrogate pair.
    """
    if isinstance(value, str):
        return len(value) if value.isascii() else len(str.encode(value))
    if isinstance(value, list | tuple | dict):
        return ITEM * len(value)
    if isinstance(value, float):
        return _FRACTION
    bits = value.bit_length() if isinstance(value, int) else 0
    return bits if bits > _WORD_BITS else _NUMBER
