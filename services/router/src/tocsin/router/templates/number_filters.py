"""Filters that make numbers. A value that is no number is a fault, unless the author gave a default."""

import math
from collections.abc import Sized
from typing import Any, Final

from tocsin.router.templates.operations import number
from tocsin.router.templates.texts import WrongValue, whole

ABSENT: Final = object()
"""Stands for an argument that is not written, where null is a value."""
DIGITS: Final = 400
"""Characters of a text that may be a number; the largest that is read has fewer."""


def to_int(value: Any, default: Any = ABSENT) -> Any:
    """The whole number, without what is behind the point; `default` when the value is no number."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and len(value) <= DIGITS:
        try:
            return int(value)
        except ValueError:
            pass  # a text with a point, or no number at all: seen below
    number = _float_of(value)
    return _otherwise("int", default) if number is None else int(number)


def to_float(value: Any, default: Any = ABSENT) -> Any:
    """The number; `default` when the value is none."""
    number = _float_of(value)
    return _otherwise("float", default) if number is None else number


def to_bool(value: Any) -> bool:
    """False for null, false, 0, an empty text, list or object."""
    return bool(value)


def absolute(value: Any) -> Any:
    return abs(_number(value, "abs"))


def rounded(value: Any, precision: Any = 0, method: str = "common") -> Any:
    """`common` rounds to the nearest, `ceil` up, `floor` down; `precision` digits stay behind the point."""
    exact, digits = _number(value, "round"), whole(precision, "precision", "round", -15, 15)
    if method == "common":
        return round(exact, digits)
    scale = 10.0**digits
    return (math.ceil if method == "ceil" else math.floor)(exact * scale) / scale


def length(value: Any) -> int:
    """Characters of a text, items of a list, members of an object; null has none."""
    if value is None:
        return 0
    if isinstance(value, Sized):
        return len(value)
    raise WrongValue("`|length` takes a text, a list or an object.")


def divisible_by(value: Any, divisor: Any) -> bool:
    """The test `divisibleby`."""
    if isinstance(value, int | float) and isinstance(divisor, int | float) and divisor != 0:
        return number(value) % number(divisor) == 0
    raise WrongValue("`is divisibleby` takes two numbers, and the second cannot be 0.")


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, int | float):
        return number(value)
    raise WrongValue(f"`|{name}` takes a number. Write `|int` or `|float` before it.")


def _float_of(value: Any) -> float | None:
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > DIGITS):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _otherwise(name: str, default: Any) -> Any:
    if default is ABSENT:
        raise WrongValue(
            f"`|{name}` takes a number, or a text that is one. Give a default, such as `|{name}(0)`, if it can be something else."
        )
    return default
