"""The tests as `select`, `reject`, `selectattr` and `rejectattr` ask them of each item."""

import operator
from collections.abc import Callable
from typing import Any, Final

from tocsin.router.templates.language import COMPARISONS
from tocsin.router.templates.number_filters import divisible_by
from tocsin.router.templates.operations import number
from tocsin.router.templates.texts import WrongValue

Passes = Callable[[Any], bool]
AMONG: Final = 100
"""Characters or items of what `in` looks in, for each item of a list."""
MISSING: Final = object()
"""Stands for an attribute that an item does not have. It passes no test but `undefined`."""


def item_test(name: str | None, argument: Any) -> Passes:
    """What tells whether an item passes the test of that name; None is whether it counts as true."""
    if name is None:
        return lambda value: value is not MISSING and bool(value)
    if name == "undefined":
        return lambda value: value is MISSING
    if name == "defined":
        return lambda value: value is not MISSING
    if name == "in":
        return _among(argument)
    test = _WITH_ARGUMENT.get(name)
    if test is None:
        plain = _PLAIN[name]
        return lambda value: value is not MISSING and plain(value)
    return lambda value: value is not MISSING and _asked(test, value, argument)


def _asked(test: Callable[..., Any], *values: Any) -> bool:
    try:
        return bool(test(*values))
    except TypeError as error:
        raise WrongValue("A test gets a value of a kind that it does not take.") from error


def _among(container: Any) -> Passes:
    """Whether the value is in the container. Each item is looked for in all of it, so the container is bounded."""
    if not isinstance(container, list | tuple | dict | str) or len(container) > AMONG:
        raise WrongValue(
            f"The test `in` takes a text, an object or a list of at most {AMONG} characters or items."
        )
    if isinstance(container, list | tuple) and any(
        isinstance(item, list | tuple | dict) for item in container
    ):
        raise WrongValue("The test `in` takes a list of texts, numbers, booleans and null.")
    return lambda value: value is not MISSING and _asked(operator.contains, container, value)


def _odd(value: Any) -> bool:
    return isinstance(value, int | float) and number(value) % 2 == 1  # `%` would format a text


def _even(value: Any) -> bool:
    return isinstance(value, int | float) and number(value) % 2 == 0


def _lower(value: Any) -> bool:
    return isinstance(value, str) and value.islower()


def _upper(value: Any) -> bool:
    return isinstance(value, str) and value.isupper()


_PLAIN: Final[dict[str, Passes]] = {
    "boolean": lambda value: isinstance(value, bool),
    "even": _even,
    "false": lambda value: value is False,
    "float": lambda value: isinstance(value, float),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "iterable": lambda value: isinstance(value, str | list | tuple | dict),
    "lower": _lower,
    "mapping": lambda value: isinstance(value, dict),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float),
    "odd": _odd,
    "sequence": lambda value: isinstance(value, str | list | tuple | dict),
    "string": lambda value: isinstance(value, str),
    "true": lambda value: value is True,
    "upper": _upper,
}
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WITH_ARGUMENT: Final = {
    name: _OPERATORS[sign] for name, sign in COMPARISONS.items() if sign in _OPERATORS
} | {"divisibleby": divisible_by}
