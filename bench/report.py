"""The result for people and for programs: a table, and the same as JSON."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from figures import Figure
from machine import Machine

DISTURBING_CORES = 0.3
HEADINGS = ("figure", "value", "goal", "", "cores busy elsewhere", "CPU us a message, by process")


class Report(msgspec.Struct, kw_only=True):
    """One run. `faults` names every message lost or doubled, and the part that failed; empty means none."""

    version: int = 1
    machine: Machine
    figures: list[Figure] = []
    faults: list[str] = []
    seconds: float = 0.0

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def show(self) -> None:
        """A table, drawn on a terminal and plain elsewhere; then what is wrong."""
        rows = [row for figure in self.figures for row in _rows(figure)]
        if sys.stdout.isatty():
            _draw(rows)
        else:
            _print(rows)
        machine = self.machine
        print(
            f"\n{machine.cores} x {machine.cpu}, {machine.memory_gb:g} GB, {machine.system}; commit {machine.commit}"
        )
        print(", ".join(f"{name} {number}" for name, number in machine.versions.items()))
        print(f"{self.seconds:.0f} s in all; load average before {machine.load_before:.1f}")
        disturbed = [one.name for one in self.figures if (one.other_cores or 0) > DISTURBING_CORES]
        if disturbed:
            print(
                f"Something else used the machine; believe the processor time, not the rate, of: {', '.join(disturbed)}"
            )
        for fault in self.faults:
            print(f"WRONG: {fault}")
        if not self.faults:
            print("Nothing was lost, nothing doubled.")


def _rows(figure: Figure) -> list[tuple[str, ...]]:
    goal = "" if figure.goal is None else f"{'>=' if figure.better == 'more' else '<'} {figure.goal:,.0f}"
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    used = sorted(figure.cpu_us.items(), key=lambda one: -one[1])
    cpu = ", ".join(f"{name} {us:,.0f}" for name, us in used)
    if used:
        cpu += f" = {sum(figure.cpu_us.values()):,.0f}"
    elsewhere = "" if figure.other_cores is None else f"{figure.other_cores:.1f}"
    first = (
        figure.name,
        f"{figure.value:,.{_digits(figure.value)}f} {figure.unit}",
        goal,
        verdict,
        elsewhere,
        cpu,
    )
    others = [
        (f"  {name}", f"{value:,.{_digits(value)}f}", "", "", "", "") for name, value in figure.more.items()
    ]
    return [first, *others]


def _digits(value: float) -> int:
    return 1 if value < 100 else 0


def _draw(rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(*HEADINGS)
    table.columns[1].justify = "right"
    table.columns[2].justify = "right"
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    everything = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(HEADINGS))]
    for row in everything:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
