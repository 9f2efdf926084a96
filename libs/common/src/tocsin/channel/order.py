"""Jobs of one recipient go one after the other; those of different recipients side by side."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class RecipientOrder(Generic[T]):
    """Lets one item of each key go on; those added meanwhile follow one by one, in the order in which they came."""

    def __init__(self) -> None:
        self._behind: dict[
            Hashable, deque[T] | None
        ] = {}  # None: nothing waits behind, which is nearly always so

    def add(self, key: Hashable, item: T) -> bool:
        """Whether the item may go on at once; else it waits behind those of its key."""
        if key not in self._behind:
            self._behind[key] = None
            return True
        behind = self._behind[key]
        if behind is None:
            behind = self._behind[key] = deque()
        behind.append(item)
        return False

    def done(self, key: Hashable) -> T | None:
        """The item of this key that went on has ended: returns the one that may go on now, if one waits."""
        behind = self._behind[key]
        if behind:
            return behind.popleft()
        del self._behind[key]
        return None
