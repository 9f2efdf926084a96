"""`requirements/audit-exceptions.toml`: vulnerabilities that we know of and live with, each until a day."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from tocsin.dev.audit.databases import Fault
from tocsin.dev.audit.pins import Pin

FILE: Final = Path("requirements/audit-exceptions.toml")
_TYPES: Final = {"id": str, "distribution": str, "reason": str, "until": date}


class ExceptionsInvalid(ValueError):
    """The file says something else than it may. The message has the sentence; mend the file."""


class Tolerated(NamedTuple):
    """One entry: `id` is any name of the vulnerability, `until` the last day on which it is tolerated."""

    id: str
    distribution: str
    reason: str
    until: date

    def covers(self, pin: Pin, fault: Fault) -> bool:
        """Whether this vulnerability of this distribution is meant, in whatever version."""
        return self.id in fault.names and self.distribution == pin.name


def tolerated(text: str) -> list[Tolerated]:
    """The entries of a file. Raises ExceptionsInvalid."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExceptionsInvalid(f"{FILE} is no TOML: {error}") from error
    entries = tables.pop("exception", [])
    if tables or not isinstance(entries, list):
        raise ExceptionsInvalid(f"{FILE} may hold tables [[exception]] and nothing else.")
    return [_entry(entry) for entry in entries]


def _entry(fields: dict[str, object]) -> Tolerated:
    if unknown := fields.keys() - _TYPES.keys():
        raise ExceptionsInvalid(
            f"{FILE}: unknown key {', '.join(sorted(unknown))}; an exception has {', '.join(_TYPES)}."
        )
    for key, kind in _TYPES.items():
        if type(fields.get(key)) is not kind or fields[key] == "":
            what = "a date, such as 2026-12-31" if kind is date else "a text"
            raise ExceptionsInvalid(
                f"{FILE}: `{key}` of the exception for {fields.get('id', 'nothing')} must be {what}."
            )
    return Tolerated(**fields)  # type: ignore[arg-type]  # just checked
