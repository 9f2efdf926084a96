"""What an audit finds: an exit code, and a sentence for each thing that somebody should know."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from tocsin.dev.audit.databases import Database, Fault
from tocsin.dev.audit.exceptions import FILE, Tolerated
from tocsin.dev.audit.pins import Pin

FOUND, UNKNOWN = 1, 3


class Verdict(NamedTuple):
    """How an audit ended."""

    exit_code: int
    lines: list[str]


def judge(
    pins: set[Pin], *, databases: Sequence[Database], tolerated: Sequence[Tolerated], today: date
) -> Verdict:
    """Looks all pins up. What no database answers for counts as not looked up."""
    answered: dict[Pin, Sequence[Fault]] = {}
    for database in databases:
        if rest := pins - answered.keys():
            answered |= database.ask(rest)
    unknown = pins - answered.keys()
    faults = [(pin, fault) for pin in sorted(pins & answered.keys()) for fault in answered[pin]]
    open_faults = [
        (pin, fault) for pin, fault in faults if not any(entry.covers(pin, fault) for entry in tolerated)
    ]
    used = {entry for entry in tolerated if any(entry.covers(pin, fault) for pin, fault in faults)}
    # Of what was not looked up nobody knows whether its exception is still needed.
    unused = (
        set(tolerated)
        - used
        - {entry for entry in tolerated if entry.distribution in {pin.name for pin in unknown}}
    )

    failures = [_sentence(pin, fault) for pin, fault in open_faults]
    failures += [
        f"{_title(entry)} ended on {entry.until}: look at it anew."
        for entry in tolerated
        if entry.until < today
    ]
    failures += [
        f"{_title(entry)} is needed no longer: take it out of {FILE}."
        for entry in tolerated
        if entry in unused
    ]
    notes = [
        f"{_title(entry)} holds until {entry.until}: {entry.reason}" for entry in tolerated if entry in used
    ]
    if unknown:
        notes.append(_not_audited(pins, unknown, [database.name for database in databases]))
    elif not failures:
        notes.append(
            f"{len(pins)} pinned distributions, none with a known vulnerability beside the exceptions."
        )
    return Verdict(FOUND if failures else UNKNOWN if unknown else 0, [*failures, *notes])


def _title(entry: Tolerated) -> str:
    return f"The exception for {entry.id} of {entry.distribution}"


def _sentence(pin: Pin, fault: Fault) -> str:
    mended = ", ".join(fault.mended_in) or "no version that the database names"
    return f"{pin.name} {pin.version}: {fault.names[0]}, mended in {mended}"


def _not_audited(pins: set[Pin], unknown: set[Pin], asked: Sequence[str]) -> str:
    every, missing = (Counter(pin.ecosystem for pin in some) for some in (pins, unknown))
    counts = ", ".join(f"{missing[name]} of {every[name]} of {name}" for name in sorted(missing))
    return (
        f"NOT AUDITED: {counts}; no vulnerability database answered for them ({', '.join(asked)} were asked). "
        "Run `make audit` where one can be reached."
    )
