"""What each attribute of an event may say, and how it must be called. A fault is added to the list that is given, so that a producer is told
all of them at once.

What is said of an attribute repeats nothing of what a producer typed, but for a name that is nearly one of ours.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tocsin.contracts.ids import valid_tenant
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attribute_name import meant_by, near_misses
from tocsin.contracts.values.cancel_key import cancel_key
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Reason

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII).fullmatch
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII).fullmatch
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
"""What the extension attribute `test` may say: a Boolean of CloudEvents as text."""


class EventFault(NamedTuple):
    """One thing wrong with an event: `pointer` is a JSON pointer into the envelope (`/source`, `/data/workflow`)."""

    reason: Reason
    pointer: str
    detail: str


def misnamed_headers(names: Iterable[str], *, right: str, wrong: str) -> list[EventFault]:
    """Headers that are nearly an attribute of ours. `wrong` is how attributes begin in the other binding: there Tocsin reads none."""
    known = list(names)
    missed = near_misses(name.removeprefix(right) for name in known if name.startswith(right))
    faults = [near_miss(name, meant) for name, meant in missed]
    for name in known:
        if (
            name.startswith(wrong)
            and (meant := meant_by(name.removeprefix(wrong)))
            and right + meant not in known
        ):
            detail = f"Attributes begin with `{right}` here, and not with `{wrong}`. Did you mean `{right}{meant}`?"
            faults.append(EventFault(Reason.ATTRIBUTE_UNKNOWN, f"/{meant}", detail))
    return faults


def near_miss(name: str, meant: str) -> EventFault:
    """An attribute that is nearly called as one of ours."""
    detail = f"Tocsin knows no attribute `{name}`. Did you mean `{meant}`?"
    return EventFault(Reason.ATTRIBUTE_UNKNOWN, f"/{name}", detail)


def required_text(attributes: Mapping[str, Any], name: str, faults: list[EventFault]) -> str:
    """The text of an attribute that every event has."""
    value = attributes.get(name)
    if value is None or value == "":
        faults.append(
            EventFault(Reason.ATTRIBUTE_MISSING, f"/{name}", f"`{name}` is required and may not be empty.")
        )
        return ""
    return _short_text(value, name, faults)


def optional_text(attributes: Mapping[str, Any], name: str, faults: list[EventFault]) -> str | None:
    """The text of an attribute that may be absent or empty: then None."""
    value = attributes.get(name)
    return None if value is None or value == "" else _short_text(value, name, faults)


def _short_text(value: object, name: str, faults: list[EventFault]) -> str:
    if isinstance(value, str) and is_line(value) and len(value.encode()) <= 1024:
        return value
    faults.append(
        EventFault(
            Reason.ATTRIBUTE_INVALID,
            f"/{name}",
            "Must be a string of at most 1,024 bytes of UTF-8, without control characters.",
        )
    )
    return ""


def tenant_of(value: object, faults: list[EventFault]) -> str:
    """Whose event it is."""
    if value is None:
        detail = "The extension attribute `tenant` is required on this topic: set `ce_tenant`, or `tenant` in the envelope."
        faults.append(EventFault(Reason.TENANT_MISSING, "/tenant", detail))
        return ""
    if isinstance(value, str) and valid_tenant(value):
        return value
    faults.append(EventFault(Reason.ATTRIBUTE_INVALID, "/tenant", "Must match [a-z0-9-]{1,63}."))
    return ""


def time_of(value: object, faults: list[EventFault], pointer: str = "/time") -> datetime | None:
    """A time with its offset."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and _RFC_3339(value):
            return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        pass  # it has the form, and is no date
    detail = "Must be an RFC 3339 time with its offset, such as 2026-01-31T12:00:00Z."
    faults.append(EventFault(Reason.ATTRIBUTE_INVALID, pointer, detail))
    return None


def delay_of(value: object, faults: list[EventFault]) -> int | None:
    """An Integer of CloudEvents (32 bits), in JSON or as text."""
    if value is None or (type(value) is int and abs(value) < 2**31):
        return value
    if isinstance(value, str) and _INTEGER(value):
        return int(value)
    faults.append(EventFault(Reason.ATTRIBUTE_INVALID, "/delay", "Must be a whole number of seconds."))
    return None


def cancel_key_of(value: object, faults: list[EventFault]) -> str | None:
    """The key under which it may be cancelled."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return cancel_key(value)
    except ValueRefused as refused:
        faults.append(EventFault(Reason(refused.code), "/cancelkey", refused.sentence))
        return None
    faults.append(EventFault(Reason.CANCEL_KEY_INVALID, "/cancelkey", "Must be a string of UTF-8."))
    return None


def test_of(value: object, faults: list[EventFault]) -> bool:
    """Whether the event is a test. Any other word is refused: taken for `false`, it would send a test to people."""
    if value is None or isinstance(value, bool):
        return bool(value)
    flag = _FLAGS.get(value) if isinstance(value, str) else None
    if flag is None:
        faults.append(EventFault(Reason.ATTRIBUTE_INVALID, "/test", "Must be `true` or `false`."))
    return bool(flag)
