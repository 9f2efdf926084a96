"""Filters and functions whose result could be far larger than what they are given, written with a bound."""

from collections.abc import Callable, Iterable, Sized
from typing import Any, Final

LONGEST: Final = 1024 * 1024
"""Characters a filter may yield."""
RANGE: Final = 1_000
SORTED: Final = 5_000
"""Items that `sort` and `unique` take: within one expression nothing can stop them."""

REMOVED_FILTERS: Final = (
    "attr", "batch", "chain", "dictsort", "format", "groupby", "indent", "lines", "pprint", "slice", "split", "zip",
)  # fmt: skip
"""What minijinja has and the language (`language.FILTERS`) has not."""


class FilterRefused(Exception):
    """A filter would yield too much. The message says which."""


def join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    """The values as text with `separator` between them; `attribute` names what of each."""
    total = 0
    texts = []
    for value in values:
        text = _text(value if attribute is None else value[attribute])
        total += len(text) + len(separator)
        if total > LONGEST:
            raise FilterRefused(f"`|join` makes more than {LONGEST} characters; join fewer or shorter values")
        texts.append(text)
    return separator.join(texts)


def replace(text: str, old: str, new: str) -> str:
    """Every `old` in the text becomes `new`."""
    text, old, new = str(text), str(old), str(new)
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > LONGEST:
        raise FilterRefused(f"`|replace` makes more than {LONGEST} characters; use it on a shorter text")
    return text.replace(old, new)


def few(values: Any) -> Any:
    """The values as they are, in front of `sort` and `unique` (`metering`)."""
    if isinstance(values, Sized) and len(values) > SORTED:
        raise FilterRefused(f"`|sort` and `|unique` take at most {SORTED} items; send a shorter list")
    return values


def string(value: Any) -> str:
    """A text, number or boolean as text."""
    return _text(value)


def bounded_range(*bounds: int) -> list[int]:
    """As Python's `range`, at most 1,000 numbers."""
    numbers = range(*bounds)
    if len(numbers) > RANGE:
        raise FilterRefused(f"`range` makes {len(numbers)} numbers; at most {RANGE} are possible")
    return list(numbers)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    raise FilterRefused("a list or object cannot be used as a text; write `|tojson` after it")


FILTER_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "few": few,
    "join": join,
    "replace": replace,
    "string": string,
}
