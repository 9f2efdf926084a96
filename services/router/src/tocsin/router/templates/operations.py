"""What operators do: numbers that stay small, comparisons, and the search in a list or text, each with its price."""

import operator
from collections.abc import Callable
from typing import Any, Final

from jinja2 import nodes

from tocsin.router.templates.budget import Budget, size
from tocsin.router.templates.texts import LARGEST_NUMBER, WrongValue

Operate = Callable[[Any, Any], Any]

SEARCHED: Final = 8
"""A search in a text counts its length once more for each so many characters that it looks for."""
_LONGEST_SEARCHED: Final = 512
_POWER_BITS: Final = 256
_LARGEST_FLOAT: Final = 1.7976931348623157e308


def number(value: Any) -> int | float:
    """The number that an operation is given or yields. Raises WrongValue for what is too large or none."""
    if isinstance(value, int) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return value
    if isinstance(value, float) and abs(value) <= _LARGEST_FLOAT:
        return value
    raise WrongValue("An operation is given or yields what is no number, or too large a number.")


def _on_numbers(operate: Operate) -> Operate:
    def operated(left: Any, right: Any) -> Any:
        if isinstance(left, int | float) and isinstance(right, int | float):
            return number(operate(number(left), number(right)))
        raise TypeError

    return operated


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and base not in (-1, 0, 1) and base.bit_length() * exponent > _POWER_BITS:
        raise WrongValue("`**` makes too large a number. Use a smaller exponent.")
    return base**exponent


def _signed(value: Any) -> int | float:
    """The value, which must be a number. Raises TypeError for anything else."""
    if isinstance(value, int | float):
        return number(value)
    raise TypeError


ARITHMETIC: Final[dict[type[nodes.Node], Callable[..., Any]]] = {
    nodes.Div: _on_numbers(operator.truediv),
    nodes.FloorDiv: _on_numbers(operator.floordiv),
    nodes.Mod: _on_numbers(operator.mod),
    nodes.Mul: _on_numbers(operator.mul),
    nodes.Neg: lambda value: -_signed(value),
    nodes.Pos: _signed,
    nodes.Pow: _on_numbers(_power),
    nodes.Sub: _on_numbers(operator.sub),
}
"""By node. Raises TypeError for anything but numbers."""

COMPARISONS: Final[dict[str, Operate]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, container: value in container,
    "not in": lambda value, container: value not in container,
}
"""By sign."""
SIGNS: Final = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
"""By Jinja2's name of a comparison."""
_SEARCHES: Final = frozenset({"in", "not in"})


def charge_comparison(budget: Budget, sign: str, left: Any, right: Any) -> None:
    """Charge what comparing may cost. Two values are looked at no further than the smaller one goes."""
    if sign in _SEARCHES:
        charge_search(budget, left, right)
    elif isinstance(left, str):
        if isinstance(right, str):
            budget.charge(min(len(left), len(right)))
    elif isinstance(left, list | tuple | dict):
        budget.charge_whole(left)


def charge_search(budget: Budget, value: Any, container: Any) -> None:
    """Charge what looking for the value in the container may cost."""
    if isinstance(container, str):
        budget.charge(search_price(container, value))
    elif isinstance(value, list | tuple | dict):
        budget.charge_whole(container)
    elif isinstance(container, list | tuple):
        budget.charge((4 + _compared(value)) * len(container))
    else:
        budget.charge(size(value))


def _compared(value: Any) -> int:
    """What comparing with the value adds to the price of looking at one item."""
    if isinstance(value, str):
        return len(value) // 16
    return value.bit_length() // 128 if isinstance(value, int) else 0


def search_price(text: str, wanted: Any) -> int:
    """What looking for a text in a text costs at worst."""
    length = min(len(wanted), _LONGEST_SEARCHED) if isinstance(wanted, str) else 0
    return size(text) * (1 + length // SEARCHED)
