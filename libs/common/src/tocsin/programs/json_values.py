"""Walking through JSON: every value of it, and the numbers that cost the library more than others."""

from collections.abc import Iterator
from typing import Any, Final

_LARGE: Final = 2**63


def every_value(root: Any) -> Iterator[Any]:
    """Every value inside, the root first."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        yield value
        if type(value) is dict:
            waiting += value.values()
        elif type(value) is list:
            waiting += value


def is_large(value: Any) -> bool:
    """Whether it is a whole number of more than 63 bits."""
    return type(value) is int and not -_LARGE <= value < _LARGE


def large_numbers(root: Any) -> int:
    """How many whole numbers of more than 63 bits are inside."""
    return sum(map(is_large, every_value(root)))
