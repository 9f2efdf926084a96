"""Jobs wait their turn: those of different recipients run side by side, those of one recipient one after the other."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class RecipientOrder(Generic[T]):
    """What may start next. Within one key an item comes out only after `done` was called for the one before."""

    def __init__(self) -> None:
        self._ready: deque[tuple[Hashable, T]] = deque()
        self._behind: dict[Hashable, deque[T]] = {}

    def add(self, key: Hashable, item: T) -> None:
        """Put an item behind all of its key."""
        behind = self._behind.get(key)
        if behind is None:
            self._behind[key] = deque()
            self._ready.append((key, item))
        else:
            behind.append(item)

    def next(self) -> T | None:
        """The next item that may start; None when there is none now."""
        return self._ready.popleft()[1] if self._ready else None

    def done(self, key: Hashable) -> None:
        """The running item of this key has ended: the one behind it may start."""
        behind = self._behind[key]
        if behind:
            self._ready.append((key, behind.popleft()))
        else:
            del self._behind[key]

    def drop(self) -> None:
        """Forget everything that has not started."""
        self._ready.clear()
        for behind in self._behind.values():
            behind.clear()

    @property
    def ready(self) -> bool:
        """Whether `next` would return an item."""
        return bool(self._ready)
