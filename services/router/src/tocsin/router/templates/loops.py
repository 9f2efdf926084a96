"""`loop`: where a loop stands, as its body sees it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.router.templates.item_tests import MISSING


class Loop:
    """`loop["index"]` and the like, while the items are gone through. Raises KeyError for what a loop has not."""

    __slots__ = ("depth", "index0", "items")

    def __init__(self, items: Sequence[Any], depth: int) -> None:
        self.items = items
        self.depth = depth
        self.index0 = 0

    def __getitem__(self, name: str) -> Any:
        return _ATTRIBUTES[name](self)

    def item(self, index: int) -> Any:
        """The item at the index; MISSING before the first and behind the last."""
        return self.items[index] if 0 <= index < len(self.items) else MISSING


_ATTRIBUTES: Final[dict[str, Callable[[Loop], Any]]] = {
    "depth": lambda loop: loop.depth,
    "depth0": lambda loop: loop.depth - 1,
    "first": lambda loop: loop.index0 == 0,
    "index": lambda loop: loop.index0 + 1,
    "index0": lambda loop: loop.index0,
    "last": lambda loop: loop.index0 == len(loop.items) - 1,
    "length": lambda loop: len(loop.items),
    "nextitem": lambda loop: loop.item(loop.index0 + 1),
    "previtem": lambda loop: loop.item(loop.index0 - 1),
    "revindex": lambda loop: len(loop.items) - loop.index0,
    "revindex0": lambda loop: len(loop.items) - loop.index0 - 1,
}
