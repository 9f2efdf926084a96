"""Filters and operators that make text. They take any value that has a text; null is nothing.

`replace`, `join` and `~` mean different things in HTML and in plain text, as in Jinja2: in HTML, where safe text meets
text that is not, the latter is escaped and the result is safe.
"""

import json
import re
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup

from tocsin.router.templates.list_filters import attributes_of, items_of
from tocsin.router.templates.operations import number
from tocsin.router.templates.texts import (
    LONGEST,
    WrongValue,
    as_safe_as,
    is_safe,
    joined,
    joined_safe,
    made_safe,
    safe,
    text_of,
    whole,
)

LONGEST_TITLE: Final = 10_000
"""Characters that `title` takes."""
LONGEST_IN_URL: Final = 8_192
"""Characters that `urlencode` takes of one value."""
TRIMMED: Final = 100
"""Different characters that `trim` may look for."""
_WORDS: Final = re.compile(r"([-\s({\[<]+)")
_JSON_IN_HTML: Final = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("'", "\\u0027"))
_LONG_JSON: Final = f"`|tojson` makes more than {LONGEST} characters. Use it on a smaller value."
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _short(value: Any, limit: int, name: str) -> str:
    """The value's text, for what goes through it one character at a time."""
    text = text_of(value)
    if len(text) > limit:
        raise WrongValue(f"`|{name}` takes at most {limit} characters. Use it on a shorter text.")
    return text


def upper(value: Any) -> str:
    return as_safe_as(value, str.upper(text_of(value)))


def lower(value: Any) -> str:
    return as_safe_as(value, str.lower(text_of(value)))


def capitalize(value: Any) -> str:
    return as_safe_as(value, str.capitalize(text_of(value)))


def title(value: Any) -> str:
    """Each word with a capital first and small letters after it."""
    words = _WORDS.split(_short(value, LONGEST_TITLE, "title"))
    return as_safe_as(value, "".join(str.upper(word[:1]) + str.lower(word[1:]) for word in words))


def trim(value: Any, chars: Any = None) -> str:
    """Without white space, or the given characters, at both ends."""
    if chars is not None:
        chars = text_of(chars)
        if len(chars) > TRIMMED:
            raise WrongValue(f"`chars` of `|trim` can be at most {TRIMMED} characters.")
    return as_safe_as(value, str.strip(text_of(value), chars))


def string(value: Any) -> str:
    return text_of(value)


def mark_safe(value: Any) -> Markup:
    return safe(text_of(value))


def escape(value: Any) -> Markup:
    return made_safe(value)


def replace_in_text(value: Any, old: Any, new: Any, count: Any = None) -> str:
    """Every `old` becomes `new`, or the first `count` of them. A null as `old` replaces nothing."""
    return _replaced(text_of(value), old, text_of(new), count)


def replace_in_html(value: Any, old: Any, new: Any, count: Any = None) -> str:
    """As `replace_in_text`; when one of the three is safe, so is the result."""
    if is_safe(old) or (is_safe(new) and not is_safe(value)):
        value = made_safe(value)
    if not is_safe(value):
        return _replaced(text_of(value), old, text_of(new), count)
    return safe(_replaced(value, old, made_safe(new), count))


def _replaced(text: str, old: Any, new: str, count: Any) -> str:
    if old is None:
        return text
    wanted = text_of(old)
    times = -1 if count is None else whole(count, "count", "replace", 0, 1_000_000)
    times = str.count(text, wanted) if times < 0 else min(str.count(text, wanted), times)
    if len(text) + times * (len(new) - len(wanted)) > LONGEST:
        raise WrongValue(f"`|replace` makes more than {LONGEST} characters. Use it on a shorter text.")
    return str.replace(text, wanted, new, times)


def join_in_text(values: Any, d: Any = "", attribute: str | None = None) -> str:
    """The values as text with `d` between them; `attribute` names what of each."""
    return joined([text_of(value) for value in _each(values, attribute)], text_of(d), "|join")


def join_in_html(values: Any, d: Any = "", attribute: str | None = None) -> str:
    """As `join_in_text`; when a value or `d` is safe, so is the result."""
    items = _each(values, attribute)
    if is_safe(d) or any(map(is_safe, items)):
        return joined_safe(items, made_safe(d), "|join")
    return joined([text_of(item) for item in items], text_of(d), "|join")


def _each(values: Any, attribute: str | None) -> list[Any]:
    return attributes_of(items_of(values, "join"), attribute, "join")


def concat_in_text(*values: Any) -> str:
    """`a ~ b ~ …`"""
    return joined([value if type(value) is str else text_of(value) for value in values], "", "~")


def concat_in_html(*values: Any) -> str:
    """`a ~ b ~ …`; when one is safe, so is the result."""
    for value in values:
        if type(value) is Markup:
            return joined_safe(values, "", "~")
    return concat_in_text(*values)


def plus(left: Any, right: Any) -> Any:
    """`a + b`: the sum of two numbers, or two texts, or two lists, as one. Null beside a text is nothing."""
    if isinstance(left, int | float) and isinstance(right, int | float):
        return number(number(left) + number(right))
    if isinstance(left, str | None) and isinstance(right, str | None):
        if is_safe(left) or is_safe(right):
            return safe(joined([made_safe(left), made_safe(right)], "", "+"))
        return joined([text_of(left), text_of(right)], "", "+")
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return [*left, *right]
    raise WrongValue(
        "`+` takes two numbers, two texts or two lists. To join anything as a text, write `~` instead."
    )


def tojson(value: Any, indent: Any = None) -> Markup:
    """JSON that can stand in HTML and in a script; safe."""
    encoder = (
        _COMPACT
        if indent is None
        else json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=_spaces(indent))
    )
    try:
        text = encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongValue("`|tojson` takes what can be written as JSON.") from error
    if len(text) > LONGEST:
        raise WrongValue(_LONG_JSON)
    for character, sequence in _JSON_IN_HTML:
        text = text.replace(character, sequence)
        if len(text) > LONGEST:
            raise WrongValue(_LONG_JSON)
    return safe(text)


def _spaces(indent: Any) -> int:
    return whole(indent, "indent", "tojson", 0, 8)


def urlencode(value: Any) -> str:
    """A text for a place in a URL; an object, or a list of pairs, as a query."""
    if isinstance(value, dict):
        return _query(list(value.items()))
    if isinstance(value, list | tuple):
        return _query([_pair(item) for item in value[: LONGEST_IN_URL + 1]])
    return quote(_short(value, LONGEST_IN_URL, "urlencode").encode("utf-8", "replace"), safe="/")


def _query(pairs: list[tuple[Any, Any]]) -> str:
    texts = [(text_of(name), text_of(value)) for name, value in pairs]
    if sum(len(name) + len(value) + 1 for name, value in texts) > LONGEST_IN_URL:
        raise WrongValue(
            f"`|urlencode` takes at most {LONGEST_IN_URL} characters. Use it on a smaller value."
        )
    return "&".join(f"{_in_query(name)}={_in_query(value)}" for name, value in texts)


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, list | tuple) and len(item) == 2:
        return item[0], item[1]
    raise WrongValue("`|urlencode` takes a text, an object, or a list of pairs.")


def _in_query(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="").replace("%20", "+")
