"""Filters that take lists. An object stands for its names, a text for its characters, null for nothing."""

from collections.abc import Sequence
from typing import Any, Final

from tocsin.router.templates.item_tests import MISSING, item_test
from tocsin.router.templates.operations import number
from tocsin.router.templates.signatures import INDEX
from tocsin.router.templates.texts import WrongValue, as_safe_as, text_of

ITEMS: Final = 10_000
"""Items that a filter takes."""
RANGE: Final = 1_000
_EXACT: Final = 10**16 - 1
"""Up to here a fraction without digits behind the point is written with all its digits."""
SORTED: Final = 5_000
"""Items that `sort` and `unique` take."""


def items_of(values: Any, name: str) -> list[Any]:
    """The items as a list of its own. Raises WrongValue for what has none, or too many; `name` is the filter."""
    if values is None:
        return []
    if not isinstance(values, list | tuple | dict | str):
        raise WrongValue(f"`|{name}` takes a list.")
    if len(values) > ITEMS:
        raise WrongValue(f"`|{name}` takes at most {ITEMS} items. Send a shorter list.")
    return list(values)


def attributes_of(items: list[Any], attribute: str | None, name: str) -> list[Any]:
    """What stands at the path (`address.city`, `0`) of each item; the items themselves without one. Raises WrongValue where nothing does."""
    if attribute is None:
        return items
    values = at_each(items, attribute)
    if any(value is MISSING for value in values):
        raise WrongValue(f"An item of the list that `|{name}` gets has no `{attribute}`.")
    return values


def at_each(items: Sequence[Any], path: str) -> list[Any]:
    """The value at the path of each item; MISSING where nothing stands."""
    steps = [(name, int(name) if INDEX.fullmatch(name) else None) for name in path.split(".")]
    return [_at(item, steps) for item in items]


def _at(item: Any, steps: list[tuple[str, int | None]]) -> Any:
    for name, index in steps:
        if isinstance(item, dict):
            item = item.get(name, MISSING)
        elif isinstance(item, list | tuple) and index is not None and index < len(item):
            item = item[index]
        else:
            return MISSING
    return item


def to_list(values: Any) -> list[Any]:
    return items_of(values, "list")


def reverse(values: Any) -> Any:
    """The items from last to first; a text's characters."""
    if isinstance(values, str):
        return as_safe_as(values, str.__getitem__(values, slice(None, None, -1)))
    return items_of(values, "reverse")[::-1]


def members(value: Any) -> list[Any]:
    """The pairs of name and value of an object."""
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.items())
    raise WrongValue("`|items` takes an object.")


def pick(values: Any, attribute: str, default: Any = MISSING) -> list[Any]:
    """`|map(attribute=…)`: the attribute of each item; `default` where an item has none."""
    items = items_of(values, "map")
    if default is MISSING:
        return attributes_of(items, attribute, "map")
    return [default if value is MISSING else value for value in at_each(items, attribute)]


def total(values: Any, attribute: str | None = None, start: Any = 0) -> Any:
    """The sum of the numbers, added to `start`."""
    terms = attributes_of(items_of(values, "sum"), attribute, "sum")
    if not all(isinstance(term, int | float) for term in (start, *terms)):
        raise WrongValue("`|sum` takes numbers only. Name the attribute to add: `|sum(attribute='price')`.")
    return number(sum(map(number, terms), number(start)))


def smallest(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> Any:
    """The smallest item; MISSING when there is none."""
    items = items_of(values, "min")
    ranks = _ranks(attributes_of(items, attribute, "min"), case_sensitive)
    return items[min(range(len(items)), key=ranks.__getitem__)] if items else MISSING


def largest(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> Any:
    """The largest item; MISSING when there is none."""
    items = items_of(values, "max")
    ranks = _ranks(attributes_of(items, attribute, "max"), case_sensitive)
    return items[max(range(len(items)), key=ranks.__getitem__)] if items else MISSING


def foremost(values: Any) -> Any:
    """The first item; MISSING when there is none."""
    if isinstance(values, dict):
        return next(iter(values), MISSING)
    return _at_end(values, "first", 0)


def hindmost(values: Any) -> Any:
    """The last item; MISSING when there is none."""
    if isinstance(values, dict):
        return next(reversed(values), MISSING)
    return _at_end(values, "last", -1)


def _at_end(values: Any, name: str, index: int) -> Any:
    if isinstance(values, str):
        return str.__getitem__(values, index) if values else MISSING
    if values is None:
        return MISSING
    if isinstance(values, list | tuple):
        return values[index] if values else MISSING
    raise WrongValue(f"`|{name}` takes a list.")


def sort(
    values: Any, reverse: Any = False, case_sensitive: Any = False, attribute: str | None = None
) -> list[Any]:
    """The items in order: null, booleans, numbers, texts, anything else. Equal ones stay as they stand."""
    items = _few(values, "sort")
    ranks = _ranks(attributes_of(items, attribute, "sort"), case_sensitive)
    return [items[index] for index in sorted(range(len(items)), key=ranks.__getitem__, reverse=bool(reverse))]


def unique(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> list[Any]:
    """The first of equal items, in the order they stand."""
    items = _few(values, "unique")
    keys = attributes_of(items, attribute, "unique")
    first: dict[tuple[type, str], Any] = {}
    for key, item in zip(keys, items, strict=True):
        first.setdefault(_identity(key, case_sensitive), item)
    return list(first.values())


def select(values: Any, test: str | None = None, argument: Any = None) -> list[Any]:
    items, passes = items_of(values, "select"), item_test(test, argument)
    return [item for item in items if passes(item)]


def reject(values: Any, test: str | None = None, argument: Any = None) -> list[Any]:
    items, passes = items_of(values, "reject"), item_test(test, argument)
    return [item for item in items if not passes(item)]


def selectattr(values: Any, attribute: str, test: str | None = None, argument: Any = None) -> list[Any]:
    """The items whose attribute passes the test. An attribute that is missing is undefined."""
    items, passes = items_of(values, "selectattr"), item_test(test, argument)
    return [item for item, value in zip(items, at_each(items, attribute), strict=True) if passes(value)]


def rejectattr(values: Any, attribute: str, test: str | None = None, argument: Any = None) -> list[Any]:
    items, passes = items_of(values, "rejectattr"), item_test(test, argument)
    return [item for item, value in zip(items, at_each(items, attribute), strict=True) if not passes(value)]


def bounded_range(*bounds: Any) -> list[int]:
    """As Python's `range`, at most 1,000 numbers."""
    if not all(isinstance(bound, int) for bound in bounds) or (len(bounds) == 3 and bounds[2] == 0):
        raise WrongValue("`range` takes one to three whole numbers, and a step cannot be 0.")
    numbers = range(*(int(number(bound)) for bound in bounds))
    if numbers[RANGE : RANGE + 1]:
        raise WrongValue(f"`range` makes at most {RANGE} numbers. Give it nearer bounds.")
    return list(numbers)


def _few(values: Any, name: str) -> list[Any]:
    items = items_of(values, name)
    if len(items) > SORTED:
        raise WrongValue(f"`|{name}` takes at most {SORTED} items. Send a shorter list.")
    return items


def _identity(value: Any, case_sensitive: Any) -> tuple[type, str]:
    """What is equal for equal values. Always texts: numbers can be chosen so that their hashes are all the same."""
    if isinstance(value, str):
        return str, value if case_sensitive else str.lower(value)
    if isinstance(value, list | tuple | dict):
        raise WrongValue(
            "`|unique` takes texts, numbers, booleans and null. Name an attribute: `|unique(attribute='id')`."
        )
    if isinstance(value, bool) or value is None:
        return bool, text_of(value)
    return float, _digits_of(number(value))


def _digits_of(value: float) -> str:
    """The same for a whole number and a fraction that are equal. Shorter than what is printed of very large and very small numbers."""
    if isinstance(value, int) and not -_EXACT <= value <= _EXACT:
        same = float(value)
        value = same if same == value else value
    return repr(value).removesuffix(".0")


def _ranks(values: list[Any], case_sensitive: Any) -> list[Any]:
    """For each value what it is compared by. One kind alone is compared several times faster than pairs of kind and value."""
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        return values
    if kinds == {str}:
        return values if case_sensitive else list(map(str.lower, values))
    return [_rank(value, case_sensitive) for value in values]


def _rank(value: Any, case_sensitive: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        return 3, value if case_sensitive else str.lower(value)
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    return (2, value) if isinstance(value, int | float) else (4, 0)
