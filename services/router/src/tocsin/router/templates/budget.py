"""What rendering one notification may cost: a count, the same on every machine and in every re-run, and no clock.

Every operation has a fixed price (`weights`), and what handles a text or list charges its size besides, in and out. All parts on
all channels of a notification share one budget.
"""

from collections.abc import Sequence
from typing import Any, Final

BUDGET: Final = 2 * 1024 * 1024
"""Bytes that rendering one notification may handle, counting operations as bytes."""
ITEM: Final = 32
"""What an item of a list or a member of an object counts."""
_NUMBER: Final = 8


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

    def joined(self, pieces: Sequence[str]) -> str:
        """One text of the pieces, charged before it is made."""
        if sum(map(len, pieces)) > self.left:
            raise Exceeded
        text = "".join(pieces)
        self.charge(size(text))
        return text


def size(value: Any) -> int:
    """The bytes of a text, `ITEM` for each item of a list or member of an object."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(str.encode(value, "utf-8", "surrogatepass"))
    if isinstance(value, list | tuple | dict):
        return ITEM * len(value)
    if isinstance(value, int):
        return _NUMBER + value.bit_length()
    return _NUMBER


def size_of_items(values: Any) -> int:
    """The size of a list and of the texts in it."""
    if isinstance(values, list | tuple | dict):
        return ITEM * len(values) + sum(map(size, values))
    return size(values)
