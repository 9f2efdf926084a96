"""Variables and the steps from them, `data.order.lines[0].name`, as functions of the variables there are."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tocsin.router.templates.faults import UNDEFINED, Stopped, TemplatePlace
from tocsin.router.templates.item_tests import MISSING
from tocsin.router.templates.texts import WrongValue

Scope = dict[str, Any]
"""Variables by name, and the budget."""
Evaluate = Callable[[Scope], Any]
_Key = str | int
_NO_STEP = (KeyError, IndexError, TypeError)


def variable(root: str, keys: tuple[_Key, ...], place: TemplatePlace, *, lenient: bool) -> Evaluate:
    """The value of a variable or of steps from it. `lenient`: MISSING where the last step leads nowhere, which else is a fault."""
    missing = partial(_missing, root, keys, place, lenient)

    def looked_up(scope: Scope) -> Any:
        try:
            value = scope[root]
            for key in keys:
                value = value[key]
        except _NO_STEP:
            return missing(scope)
        return missing(scope) if value is MISSING else value

    def property_of(scope: Scope) -> Any:
        try:
            value = scope[root][first]
        except _NO_STEP:
            return missing(scope)
        return missing(scope) if value is MISSING else value

    if len(keys) != 1:
        return looked_up
    first: Any = keys[0]  # most variables are one step from their root: this is faster than a loop
    return property_of


def _missing(root: str, keys: tuple[_Key, ...], place: TemplatePlace, lenient: bool, scope: Scope) -> Any:
    """Where a lookup failed: MISSING, if the last step may lead nowhere and only it does."""
    value = scope.get(root, MISSING)
    for key in keys:
        if value is MISSING:
            raise Stopped(place, UNDEFINED)
        value = step(value, key)
    if not lenient:
        raise Stopped(place, UNDEFINED)
    return value


def stepped(inner: Evaluate, key: Evaluate, place: TemplatePlace, *, lenient: bool) -> Evaluate:
    """A step from any expression to what another names; an item that is not there is a fault, or MISSING where `lenient`."""

    def item(scope: Scope) -> Any:
        value = step(inner(scope), key(scope))
        if value is MISSING and not lenient:
            raise Stopped(place, UNDEFINED)
        return value

    return item


def step(value: Any, key: Any) -> Any:
    """`value[key]`; MISSING where nothing is. A text has characters, but no attributes."""
    try:
        return value[key]
    except _NO_STEP:
        return MISSING


def part_of(value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]` of a text or list; of null, null."""
    if value is None:
        return None
    for bound in (start, stop, step):
        if bound is not None and not isinstance(bound, int):
            raise WrongValue("The bounds in `[…:…]` must be whole numbers.")
    if isinstance(value, str | list | tuple) and step != 0:
        return value[slice(start, stop, step)]
    raise WrongValue("`[…:…]` takes a part of a text or a list, and its step cannot be 0.")
