"""Walking through JSON: every value of it, and the numbers that cost the library more than others."""

from collections.abc import Iterator
from typing import Any, Final

_LARGE: Final = 2**63
FINEST: Final = 1e-15
"""A number closer to 0 is a fraction with a very long denominator to the library."""


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


def costly_numbers(root: Any) -> int:
    """How many numbers inside have more than 63 bits before the point or are closer to 0 than `FINEST`."""
    number = 0
    waiting: list[Any] = [[root]]
    while (
        waiting
    ):  # only what holds something waits, unlike in `every_value`: this is asked of a hundred thousand values
        for value in waiting.pop():
            kind = type(value)
            if kind is int:
                number += not -_LARGE <= value < _LARGE
            elif kind is float:
                number += not (
                    -_LARGE <= value < _LARGE and (value >= FINEST or value <= -FINEST or value == 0)
                )
            elif value and kind is dict:
                waiting.append(value.values())
            elif value and kind is list:
                waiting.append(value)
    return number
