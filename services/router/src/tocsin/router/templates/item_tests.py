"""The tests as `select`, `reject`, `selectattr` and `rejectattr` ask them of each item."""

import operator
from collections.abc import Callable
from typing import Any, Final, cast

from jinja2.tests import TESTS as JINJA_TESTS

from tocsin.router.templates.language import COMPARISONS
from tocsin.router.templates.number_filters import divisible_by
from tocsin.router.templates.texts import WrongValue

Passes = Callable[[Any], bool]
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
    test = _WITH_ARGUMENT.get(name)
    if test is None:
        plain = cast("Callable[..., Any]", JINJA_TESTS[name])
        return lambda value: value is not MISSING and _asked(plain, value)
    return lambda value: value is not MISSING and _asked(test, value, argument)


def _asked(test: Callable[..., Any], *values: Any) -> bool:
    try:
        return bool(test(*values))
    except TypeError as error:
        raise WrongValue("A test gets a value of a kind that it does not take.") from error


def _among(value: Any, container: Any) -> bool:
    return value in container


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": _among,
}
_WITH_ARGUMENT: Final = {name: _OPERATORS[sign] for name, sign in COMPARISONS.items()} | {
    "divisibleby": divisible_by
}
