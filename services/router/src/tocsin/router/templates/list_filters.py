"""Filters that take lists. An object stands for its names, a text for its characters, null for nothing."""

from typing import Any, Final

from tocsin.router.templates.item_tests import MISSING, item_test
from tocsin.router.templates.texts import WrongValue, as_safe_as, text_of

ITEMS: Final = 10_000
"""Items that a filter takes."""
RANGE: Final = 1_000
SORTED: Final = 5_000
"""Items that `sort` and `unique` take: within one expression nothing can stop them."""


def items_of(values: Any, name: str) -> list[Any]:
    """The items as a list of its own. Raises WrongValue for what has none, or too many; `name` is the filter."""
    if values is None:
        return []
    if not isinstance(values, list | tuple | dict | str):
        raise WrongValue(f"`|{name}` takes a list.")
    if len(values) > ITEMS:
        raise WrongValue(f"`|{name}` takes at most {ITEMS} items. Send a shorter list.")
    return list(values)


def attribute_of(item: Any, path: str, name: str) -> Any:
    """What stands at the path (`address.city`, `0`) of the item. Raises WrongValue where nothing does."""
    value = _at(item, path)
    if value is MISSING:
        raise WrongValue(f"An item of the list that `|{name}` gets has no `{path}`.")
    return value


def _at(item: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(item, dict):
            item = item.get(step, MISSING)
        elif isinstance(item, list | tuple) and step.isdecimal() and int(step) < len(item):
            item = item[int(step)]
        else:
            return MISSING
    return item


def item_of(value: Any, key: Any) -> Any:
    """`value[key]` or `value.key`. Raises WrongValue where nothing is."""
    if isinstance(value, dict) and isinstance(key, str | int | float | None) and key in value:
        return value[key]
    if isinstance(value, list | tuple | str) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    raise WrongValue("There is no such item or attribute. Print the value with `|tojson` to see what it has.")


def place_of(value: Any, key: Any) -> list[Any]:
    """`value.key` in a list, or an empty list where nothing is."""
    try:
        return [item_of(value, key)]
    except WrongValue:
        return []


def part_of(value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]` of a text or list."""
    if value is None:
        return None
    for bound in (start, stop, step):
        if bound is not None and not isinstance(bound, int):
            raise WrongValue("The bounds in `[…:…]` must be whole numbers.")
    if isinstance(value, str | list | tuple) and step != 0:
        part = slice(start, stop, step)
        return as_safe_as(value, str.__getitem__(value, part)) if isinstance(value, str) else value[part]
    raise WrongValue("`[…:…]` takes a part of a text or a list, and its step cannot be 0.")


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
        return [attribute_of(item, attribute, "map") for item in items]
    return [default if (value := _at(item, attribute)) is MISSING else value for item in items]


def total(values: Any, attribute: str | None = None, start: Any = 0) -> Any:
    """The sum of the numbers, added to `start`."""
    numbers = _attributes(items_of(values, "sum"), attribute, "sum")
    if not all(isinstance(number, int | float) for number in (start, *numbers)):
        raise WrongValue("`|sum` takes numbers only. Name the attribute to add: `|sum(attribute='price')`.")
    return sum(numbers, start)


def smallest(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> list[Any]:
    """The smallest item in a list, or an empty list when there is none."""
    items = items_of(values, "min")
    ranks = _ranks(_attributes(items, attribute, "min"), case_sensitive)
    return [items[min(range(len(items)), key=ranks.__getitem__)]] if items else []


def largest(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> list[Any]:
    """The largest item in a list, or an empty list when there is none."""
    items = items_of(values, "max")
    ranks = _ranks(_attributes(items, attribute, "max"), case_sensitive)
    return [items[max(range(len(items)), key=ranks.__getitem__)]] if items else []


def foremost(values: Any) -> list[Any]:
    """The first item in a list, or an empty list when there is none."""
    return _one(values, "first", 0)


def hindmost(values: Any) -> list[Any]:
    """The last item in a list, or an empty list when there is none."""
    return _one(values, "last", -1)


def _one(values: Any, name: str, index: int) -> list[Any]:
    if isinstance(values, str | list | tuple):
        return (
            [str.__getitem__(values, index) if isinstance(values, str) else values[index]] if values else []
        )
    items = items_of(values, name)
    return [items[index]] if items else []


def only(items: list[Any]) -> Any:
    """The item of what the four above yield. Raises WrongValue when there is none."""
    if not items:
        raise WrongValue("A list is empty, and so has no such item. Write `|default(…)` behind the filter.")
    return items[0]


def sort(
    values: Any, reverse: Any = False, case_sensitive: Any = False, attribute: str | None = None
) -> list[Any]:
    """The items in order: null, booleans, numbers, texts, anything else. Equal ones stay as they stand."""
    items = _few(values, "sort")
    ranks = _ranks(_attributes(items, attribute, "sort"), case_sensitive)
    return [items[index] for index in sorted(range(len(items)), key=ranks.__getitem__, reverse=bool(reverse))]


def unique(values: Any, case_sensitive: Any = False, attribute: str | None = None) -> list[Any]:
    """The first of equal items, in the order they stand."""
    items = _few(values, "unique")
    keys = _attributes(items, attribute, "unique")
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
    return [item for item in items if passes(_at(item, attribute))]


def rejectattr(values: Any, attribute: str, test: str | None = None, argument: Any = None) -> list[Any]:
    items, passes = items_of(values, "rejectattr"), item_test(test, argument)
    return [item for item in items if not passes(_at(item, attribute))]


def bounded_range(*bounds: Any) -> list[int]:
    """As Python's `range`, at most 1,000 numbers."""
    if not all(isinstance(bound, int) for bound in bounds) or (len(bounds) == 3 and bounds[2] == 0):
        raise WrongValue("`range` takes one to three whole numbers, and a step cannot be 0.")
    numbers = range(*bounds)
    if numbers[RANGE : RANGE + 1]:
        raise WrongValue(f"`range` makes at most {RANGE} numbers. Give it nearer bounds.")
    return list(numbers)


def _few(values: Any, name: str) -> list[Any]:
    items = items_of(values, name)
    if len(items) > SORTED:
        raise WrongValue(f"`|{name}` takes at most {SORTED} items. Send a shorter list.")
    return items


def _attributes(items: list[Any], attribute: str | None, name: str) -> list[Any]:
    return items if attribute is None else [attribute_of(item, attribute, name) for item in items]


def _identity(value: Any, case_sensitive: Any) -> tuple[type, str]:
    """What is equal for equal values. Always texts: numbers can be chosen so that their hashes are all the same."""
    if isinstance(value, str):
        return str, value if case_sensitive else str.lower(value)
    if isinstance(value, list | tuple | dict):
        raise WrongValue(
            "`|unique` takes texts, numbers, booleans and null. Name an attribute: `|unique(attribute='id')`."
        )
    return (float if type(value) is int else type(value)), text_of(value)


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
