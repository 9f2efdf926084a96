"""Walking through JSON: every value of it, and the numbers that cost the library more than others."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

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


class Weight(NamedTuple):
    """How much data there is for a schema to look at."""

    values: int
    names: int
    """Of properties."""
    objects: int
    text_bytes: int
    """In UTF-8, at most so many."""
    costly: int
    """Numbers that have more than 63 bits before the point or are closer to 0 than `FINEST`."""


def weigh(root: Any, most: int) -> Weight | None:
    """None where there are more than so many values and names."""
    values, names, objects, text_bytes, costly = 1, 0, 0, 0, 0
    waiting: list[Any] = [[root]]
    while waiting:  # only what holds something waits, unlike in `every_value`: this is asked of tens of thousands of values
        for value in waiting.pop():
            kind = type(value)
            if kind is str:
                text_bytes += len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
            elif kind is int:
                costly += not -_LARGE <= value < _LARGE
            elif kind is float:
                costly += not (
                    -_LARGE <= value < _LARGE and (value >= FINEST or value <= -FINEST or value == 0)
                )
            elif kind is list and value:
                values += len(value)
                waiting.append(value)
            elif kind is dict:
                objects += 1
                values += len(value)
                names += len(value)
                text_bytes += len("".join(value).encode(errors="surrogatepass"))
                waiting.append(value.values())
        if values + names > most:
            return None
    return Weight(values, names, objects, text_bytes, costly)
