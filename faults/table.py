"""The table that a person reads."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Final

from play import Row

_HEAD: Final = (
    "scenario",
    "sent",
    "delivered",
    "lost",
    "twice",
    "bound",
    "order",
    "recovery",
    "gap",
    "log",
    "s",
    "",
)


def line_of(row: Row) -> str:
    """The same for one row, with its notes."""
    more = [f"    {text}" for text in (*row.red, *row.late, *row.notes)]
    more += [
        f"    ended by itself{f', {count} times' if count > 1 else ''}: {end}"
        for end, count in Counter(row.exits).items()
    ]
    return "\n".join([_line(_cells(row)), *more])


def head() -> str:
    """The names of the columns."""
    return _line(_HEAD)


def markdown(rows: Iterable[Row]) -> str:
    """As `docs/guarantees.md` has it."""
    lines = [
        "| scenario | sent | lost | twice (bound) | out of order | longest wait, s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.about} (`{row.scenario}`) | {findings.sent} | {findings.lost} | {findings.duplicates} ({row.bound}) "
        f"| {findings.out_of_order} | {_seconds(findings.recovery)} |"
        for row in rows
        if (findings := row.findings) is not None
    ]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    verdict = _coloured("RED", 31) if row.red or row.late else _coloured("ok", 32)
    loudest = str(max(row.busiest_minute.values(), default=0))
    if (findings := row.findings) is None:
        return (row.scenario, *["-"] * 8, loudest, f"{row.seconds:.0f}", verdict)
    return (
        row.scenario, str(findings.sent), str(findings.delivered), str(findings.lost), str(findings.duplicates), str(row.bound),
        str(findings.out_of_order), _seconds(findings.recovery), _seconds(findings.gap), loudest, f"{row.seconds:.0f}", verdict,
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _line(cells: Iterable[str]) -> str:
    first, *others = cells
    return f"{first:44}" + "".join(f"{cell:>10}" for cell in others)


def _coloured(text: str, colour: int) -> str:
    return f"\033[{colour}m{text}\033[0m" if sys.stdout.isatty() else text
