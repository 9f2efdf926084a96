"""Texts: what PostgreSQL and the wire can hold, and what stays on one line."""

import re
from typing import Final

from tocsin.contracts.values.refusal import ValueRefused

_UNHOLDABLE: Final = re.compile("[\x00\ud800-\udfff]").search
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
TEXT_RULE: Final = "The text contains a NUL character or half a surrogate pair. Remove it"
LINE_RULE: Final = "Control characters, such as line breaks and tabs, are not allowed here. Remove them"


def is_text(value: str) -> bool:
    """Whether PostgreSQL and UTF-8 can hold it: no NUL, no lone surrogate."""
    return not _UNHOLDABLE(value)


def is_line(value: str) -> bool:
    """Whether it is text without any control character."""
    return not _CONTROL(value)


def text(value: str) -> str:
    """A text of any number of lines. Raises ValueRefused."""
    if not is_text(value):
        raise ValueRefused("text_invalid", TEXT_RULE)
    return value


def line(value: str) -> str:
    """A text on one line: names, senders, keys of other systems. Raises ValueRefused."""
    text(value)
    if not is_line(value):
        raise ValueRefused("control_character", LINE_RULE)
    return value
