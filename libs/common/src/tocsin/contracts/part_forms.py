"""What the parts of templates may render to, where that is no free text: numbers, links, words of a list.

A form is data: what is written as it stands is checked when a template is saved, what is rendered is checked before it is sent, and an
adapter relies on both without looking again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.link import link

_WHOLE: Final = re.compile(r"-?[0-9]{1,9}").fullmatch
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?").fullmatch


@dataclass(frozen=True, kw_only=True)
class PartForm:
    """One form. `rule` goes on after "must be"; `value` is what the content holds of a text that `fits`."""

    rule: str
    fits: Callable[[str], bool]
    value: Callable[[str], Any] = str


def one_of(*words: str) -> PartForm:
    """One of these words."""
    *others, last = (f"`{word}`" for word in words)
    return PartForm(rule=f"{', '.join(others)} or {last}", fits=words.__contains__)


def whole_number(least: int, most: int) -> PartForm:
    """A whole number between these, itself one of them."""

    def fits(text: str) -> bool:
        return _WHOLE(text) is not None and least <= int(text) <= most

    return PartForm(rule=f"a whole number from {least} to {most}", fits=fits, value=int)


def number(least: float, most: float) -> PartForm:
    """A number between these."""

    def fits(text: str) -> bool:
        return _NUMBER(text) is not None and least <= float(text) <= most

    return PartForm(rule=f"a number from {least:g} to {most:g}", fits=fits, value=float)


def text_up_to(longest: int) -> PartForm:
    """A text on one line with at most so many characters."""
    return PartForm(rule=f"a text of at most {longest} characters", fits=lambda text: len(text) <= longest)


def matching(pattern: str, rule: str) -> PartForm:
    """A text that a regular expression matches as a whole; it must take linear time."""
    found = re.compile(pattern).fullmatch
    return PartForm(rule=rule, fits=lambda text: found(text) is not None)


def _is_link(text: str) -> bool:
    try:
        link(text)
    except ValueRefused:
        return False
    return True


FLAG: Final = PartForm(
    rule="`true` or `false`", fits=("true", "false").__contains__, value=lambda text: text == "true"
)
LINK: Final = PartForm(rule="a URL of http or https, of at most 2048 characters", fits=_is_link)
SAFE_LINK: Final = PartForm(
    rule="a URL of https, of at most 2048 characters",
    fits=lambda text: text[:8].lower() == "https://" and _is_link(text),
)
