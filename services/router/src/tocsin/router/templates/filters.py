"""Every filter as a function: what the renderer calls for each name in `language.FILTERS`.

Names that begin with `__` stand for operators; only the compiler (`compiling`) writes them.
"""

from collections.abc import Callable
from typing import Any, Final

from tocsin.router.templates import list_filters, number_filters, text_filters

Filters = dict[str, Callable[..., Any]]

_EVERYWHERE: Final[Filters] = {
    "__item": list_filters.item_of,
    "__only": list_filters.only,
    "__place": list_filters.place_of,
    "__part": list_filters.part_of,
    "__plus": text_filters.plus,
    "abs": number_filters.absolute,
    "bool": number_filters.to_bool,
    "capitalize": text_filters.capitalize,
    "count": number_filters.length,
    "e": text_filters.escape,
    "escape": text_filters.escape,
    "__first": list_filters.foremost,
    "float": number_filters.to_float,
    "int": number_filters.to_int,
    "items": list_filters.members,
    "__last": list_filters.hindmost,
    "length": number_filters.length,
    "list": list_filters.to_list,
    "lower": text_filters.lower,
    "map": list_filters.pick,
    "__max": list_filters.largest,
    "__min": list_filters.smallest,
    "reject": list_filters.reject,
    "rejectattr": list_filters.rejectattr,
    "reverse": list_filters.reverse,
    "round": number_filters.rounded,
    "safe": text_filters.mark_safe,
    "select": list_filters.select,
    "selectattr": list_filters.selectattr,
    "sort": list_filters.sort,
    "string": text_filters.string,
    "sum": list_filters.total,
    "title": text_filters.title,
    "tojson": text_filters.tojson,
    "trim": text_filters.trim,
    "unique": list_filters.unique,
    "upper": text_filters.upper,
    "urlencode": text_filters.urlencode,
}
IN_TEXT: Final[Filters] = _EVERYWHERE | {
    "__concat": text_filters.concat_in_text,
    "join": text_filters.join_in_text,
    "replace": text_filters.replace_in_text,
}
"""For subjects, titles and plain texts."""
IN_HTML: Final[Filters] = _EVERYWHERE | {
    "__concat": text_filters.concat_in_html,
    "join": text_filters.join_in_html,
    "replace": text_filters.replace_in_html,
}
"""For HTML parts."""
MAY_BE_UNDEFINED: Final = frozenset({"first", "last", "min", "max"})
"""Filters that yield undefined for an empty list. Their functions (`__first`, …) yield a list of at most one item."""
