"""Every filter: what it does, and what is charged to the budget before it does it. What it yields is charged after."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tocsin.router.templates import list_filters, number_filters, text_filters
from tocsin.router.templates.budget import ITEM, Budget, size
from tocsin.router.templates.list_filters import at_each
from tocsin.router.templates.operations import search_price
from tocsin.router.templates.text_filters import LONGEST_TITLE, TRIMMED

Price = Callable[..., None]
"""Charges a filter that gets the value and the arguments, by name."""


class Filter(NamedTuple):
    """A filter as a function of the value and the arguments, by name; and its price."""

    apply: Callable[..., Any]
    price: Price


def _sized(budget: Budget, value: Any, **_arguments: Any) -> None:
    """The value's bytes or items."""
    budget.charge(size(value))


def _whole(budget: Budget, value: Any, **_arguments: Any) -> None:
    """All that lies in the value."""
    budget.charge_whole(value)


def _nothing(_budget: Budget, _value: Any, **_arguments: Any) -> None:
    """It looks at no more than one item or number."""


def _by_character(budget: Budget, value: Any, **_arguments: Any) -> None:
    """Its bytes sixteen times: it goes through them one character at a time, as far as it takes so many."""
    if isinstance(value, str):
        budget.charge(16 * min(size(value), LONGEST_TITLE))
    else:
        budget.charge_items(value, times=16)


def _listed(budget: Budget, value: Any, attribute: str | None = None, **_arguments: Any) -> None:
    """The items, once for each step to the attribute; a text's characters are items, too."""
    if isinstance(value, list | tuple | dict | str):
        budget.charge(ITEM * len(value) * (1 if attribute is None else 2 + attribute.count(".")))


def _texts(budget: Budget, value: Any, attribute: str | None = None, **_arguments: Any) -> None:
    """As `_listed`, and the texts among the items or their attributes."""
    _listed(budget, value, attribute)
    if isinstance(value, list | tuple):
        budget.charge_items(value if attribute is None else at_each(value, attribute))


def _ordered(budget: Budget, value: Any, attribute: str | None = None, **_arguments: Any) -> None:
    """As `_texts`, and the items as often as each is compared when they are put in order."""
    _texts(budget, value, attribute)
    if isinstance(value, list | tuple | dict | str):
        budget.charge(8 * len(value) * len(value).bit_length())


def _tested(
    budget: Budget, value: Any, test: str | None = None, argument: Any = None, attribute: str | None = None
) -> None:
    """As `_listed`, twice; as `_texts` where the test goes through a text; all that lies in the items, for each few of the
    values that the test compares them with.
    """
    _listed(budget, value, attribute)
    if isinstance(argument, list | tuple | dict):
        for _ in range(1 + len(argument) // 4):
            budget.charge_whole(value)
    elif isinstance(argument, str) or test in ("lower", "upper"):
        _texts(budget, value, attribute)
    _listed(budget, value, attribute)


def _replaced(budget: Budget, value: Any, old: Any, **_arguments: Any) -> None:
    """The search for `old`, twice: `|replace` counts before it replaces."""
    budget.charge(2 * search_price(value, old) if isinstance(value, str) else size(value))


def _trimmed(budget: Budget, value: Any, chars: Any = None) -> None:
    """The text once for each of `chars`."""
    budget.charge(size(value) * (1 + (min(len(chars), TRIMMED) if isinstance(chars, str) else 0)))


Filters = dict[str, Filter]

_EVERYWHERE: Final[Filters] = {
    "abs": Filter(number_filters.absolute, _nothing),
    "bool": Filter(number_filters.to_bool, _nothing),
    "capitalize": Filter(text_filters.capitalize, _sized),
    "count": Filter(number_filters.length, _nothing),
    "e": Filter(text_filters.escape, _sized),
    "escape": Filter(text_filters.escape, _sized),
    "first": Filter(list_filters.foremost, _nothing),
    "float": Filter(number_filters.to_float, _nothing),
    "int": Filter(number_filters.to_int, _nothing),
    "items": Filter(list_filters.members, _sized),
    "last": Filter(list_filters.hindmost, _nothing),
    "length": Filter(number_filters.length, _nothing),
    "list": Filter(list_filters.to_list, _listed),
    "lower": Filter(text_filters.lower, _sized),
    "map": Filter(list_filters.pick, _listed),
    "max": Filter(list_filters.largest, _texts),
    "min": Filter(list_filters.smallest, _texts),
    "reject": Filter(list_filters.reject, _tested),
    "rejectattr": Filter(list_filters.rejectattr, _tested),
    "reverse": Filter(list_filters.reverse, _sized),
    "round": Filter(number_filters.rounded, _nothing),
    "safe": Filter(text_filters.mark_safe, _sized),
    "select": Filter(list_filters.select, _tested),
    "selectattr": Filter(list_filters.selectattr, _tested),
    "sort": Filter(list_filters.sort, _ordered),
    "string": Filter(text_filters.string, _sized),
    "sum": Filter(list_filters.total, _listed),
    "title": Filter(text_filters.title, _by_character),
    "tojson": Filter(text_filters.tojson, _whole),
    "trim": Filter(text_filters.trim, _trimmed),
    "unique": Filter(list_filters.unique, _texts),
    "upper": Filter(text_filters.upper, _sized),
    "urlencode": Filter(text_filters.urlencode, _by_character),
}
IN_TEXT: Final[Filters] = _EVERYWHERE | {
    "join": Filter(text_filters.join_in_text, _texts),
    "replace": Filter(text_filters.replace_in_text, _replaced),
}
"""For subjects, titles and plain texts."""
IN_HTML: Final[Filters] = _EVERYWHERE | {
    "join": Filter(text_filters.join_in_html, _texts),
    "replace": Filter(text_filters.replace_in_html, _replaced),
}
"""For HTML parts."""
MAY_BE_UNDEFINED: Final = frozenset({"first", "last", "min", "max"})
"""Filters that yield MISSING for an empty list."""
