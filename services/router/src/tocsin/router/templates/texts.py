"""How a value becomes a text, and which texts are safe in HTML: escaped once, or marked so by the author.

Safe text is `markupsafe.Markup`. The methods of Markup escape by rules of their own; here `str`'s methods are used, and the result is marked.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, Final

from markupsafe import Markup

LONGEST: Final = 1024 * 1024
"""Characters a filter or operator may yield."""
LARGEST_NUMBER: Final = 2**127 - 1
"""The largest whole number that a template may hold, compute with or print."""


class WrongValue(Exception):
    """A filter or operator cannot take what it gets. The message is a sentence that repeats no value."""


def text_of(value: Any) -> str:
    """The value as it is printed: null is nothing, booleans are `true` and `false`, numbers plain digits. Safe text stays safe."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return str(value)
    if isinstance(value, float) and isfinite(value):
        return _digits(value)
    if isinstance(value, int | float):
        raise WrongValue("A number is too large to be used as a text. Send it as a text.")
    raise WrongValue("A list or object cannot be used as a text. Write `|join` or `|tojson` after it.")


def _digits(number: float) -> str:
    text = repr(number)
    return _without_exponent(text) if "e" in text else text.removesuffix(".0")


def _without_exponent(text: str) -> str:
    """The digits that `1.5e+20` and `5e-07` stand for. Python writes so only what has no digit behind the point, or none before it."""
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    point = len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{whole}{fraction}"
    return sign + (whole + fraction).ljust(point, "0")


def escaped(text: str) -> str:
    """The text with the five characters that mean something in HTML as entities. A slash stays: links are to be read as written."""
    if "&" in text:  # most texts hold none of the five, and looking is a fraction of replacing
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if '"' in text:
        text = text.replace('"', "&quot;")
    if "'" in text:
        text = text.replace("'", "&#39;")
    return text


def safe(text: str) -> Markup:
    """The text, marked as safe."""
    return str.__new__(Markup, text)  # a tenth of the time of Markup(text)


def is_safe(value: Any) -> bool:
    return isinstance(value, Markup)


def made_safe(value: Any) -> Markup:
    """Safe text of any value, escaped unless it is safe already."""
    return value if isinstance(value, Markup) else safe(escaped(text_of(value)))


def joined_safe(values: Iterable[Any], separator: str, maker: str) -> Markup:
    """As `joined`, of any values, each escaped unless it is safe. No more is escaped than may be joined."""
    texts, length = [], 0
    for value in values:
        texts.append(made_safe(value))
        length += len(texts[-1])
        if length > LONGEST:
            break  # `joined` says so
    return safe(joined(texts, separator, maker))


def as_safe_as(value: Any, text: str) -> str:
    """The text, marked as safe when the value it was made of is."""
    return safe(text) if isinstance(value, Markup) else text


def joined(texts: Sequence[str], separator: str, maker: str) -> str:
    """The texts with the separator between them. Raises WrongValue when that is too long; `maker` is what the author wrote."""
    length = sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0)
    if length > LONGEST:
        raise WrongValue(
            f"`{maker}` makes more than {LONGEST} characters. Use it on fewer or shorter values."
        )
    return str.join(separator, texts)


def whole(value: Any, parameter: str, filter_name: str, least: int, most: int) -> int:
    """The number. Raises WrongValue when it is no whole number in the range."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise WrongValue(f"`{parameter}` of `|{filter_name}` must be a whole number from {least} to {most}.")
