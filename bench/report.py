"""The result for people and for programs: lines written as they come, a table, and everything as JSON."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from figures import Figure, Measured
from machine import Machine
from summary import Summary, of_targets, summaries
from targets import Target

DISTURBING_CORES = 0.3
HEADINGS = ("figure", "value", "must, aim", "", "cores busy elsewhere", "CPU us a message, by process")
TARGET_HEADINGS = ("target", "value", "must, aim", "")


class Part(msgspec.Struct, kw_only=True):
    """One line of the journal: what one part of one run came to."""

    run: int
    part: str
    figures: list[Figure] = []
    faults: list[str] = []


class Report(msgspec.Struct, kw_only=True):
    """All runs. `faults` names every message lost, doubled or out of order, and the part that failed; empty means none."""

    version: int = 2
    machine: Machine
    journal: str | None = None
    """The file that gets a line as soon as a part has been measured."""
    runs: int = 1
    """The run that is under way, from 1 on."""
    figures: list[Figure] = []
    faults: list[str] = []
    not_started: list[str] = []
    """Of the faults, those that only say that a process did not come up: a port that was taken, a slow machine."""
    not_measured: dict[str, str] = {}
    """What there was no way to measure here, and why."""
    seconds: float = 0.0

    def take(self, part: str, measured: Measured) -> None:
        """Keep what a part came to, on disk first."""
        for figure in measured.figures:
            figure.run = self.runs
        line = Part(run=self.runs, part=part, figures=measured.figures, faults=measured.faults)
        if self.journal is not None:
            with Path(self.journal).open("ab") as journal:
                journal.write(msgspec.json.encode(line) + b"\n")
        self.figures += measured.figures
        self.faults += measured.faults

    def latest(self, target: str) -> float | None:
        """What was measured last towards a target."""
        return next((figure.value for figure in reversed(self.figures) if figure.target == target), None)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def show(self) -> None:
        """Tables, drawn on a terminal and plain elsewhere; then what is wrong."""
        summed = summaries(self.figures)
        _table(HEADINGS, [row for summary in summed for row in _rows(summary)])
        answered = [(target, summary) for target, summary in of_targets(summed) if summary is not None]
        if answered:
            print()
            _table(TARGET_HEADINGS, [_target_row(target, summary) for target, summary in answered])
        machine = self.machine
        print(
            f"\n{machine.cores} x {machine.cpu}, {machine.memory_gb:g} GB, {machine.system}; commit {machine.commit}"
        )
        print(", ".join(f"{name} {number}" for name, number in machine.versions.items()))
        print(f"{self.seconds:.0f} s in all; load average before {machine.load_before:.1f}")
        disturbed = [summary.name for summary in summed if (summary.other_cores or 0) > DISTURBING_CORES]
        if disturbed:
            print(
                f"Something else used the machine; believe the processor time, not the rate, of: {', '.join(disturbed)}"
            )
        for what, why in self.not_measured.items():
            print(f"Not measured: {what}: {why}")
        for fault in self.faults:
            print(f"WRONG: {fault}")
        if not self.faults:
            print("Nothing was lost, nothing doubled, nothing out of order.")


def number(value: float) -> str:
    """Digits that mean something."""
    return f"{value:,.{1 if abs(value) < 100 else 0}f}"


def spread(summary: Summary) -> str:
    """The value; with several runs the median, and the lowest and the highest beside it."""
    low, middle, high = summary.spread
    several = f" ({number(low)}-{number(high)})" if len(summary.values) > 1 else ""
    return f"{number(middle)}{several} {summary.unit}"


def wanted(target: Target) -> str:
    """Must and aim; one of them where they are the same, or where there is no must."""
    sign = ">=" if target.better == "more" else "<="
    if target.must is None or target.must == target.aim:
        return f"{sign} {target.aim:,g}"
    return f"{sign} {target.must:,g}, {target.aim:,g}"


def _target_row(target: Target, one: Summary) -> tuple[str, ...]:
    return target.metric, spread(one), wanted(target), target.reached(one.middle)


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    target = summary.towards
    used = sorted(summary.cpu_us.items(), key=lambda process: -process[1])
    cpu = ", ".join(f"{name} {us:,.0f}" for name, us in used)
    if summary.cpu_us_all is not None:
        low, middle, high = summary.cpu_us_all
        cpu += f" = {middle:,.0f}" + (f" ({low:,.0f}-{high:,.0f})" if len(summary.values) > 1 else "")
    first = (
        summary.name,
        spread(summary),
        "" if target is None else wanted(target),
        "" if target is None else target.reached(summary.middle),
        "" if summary.other_cores is None else f"{summary.other_cores:.1f}",
        cpu,
    )
    return [first, *((f"  {name}", number(value), "", "", "", "") for name, value in summary.more.items())]


def _table(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    if sys.stdout.isatty():
        _draw(headings, rows)
    else:
        _print(headings, rows)


def _draw(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(*headings)
    table.columns[1].justify = "right"
    table.columns[2].justify = "right"
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _print(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    everything = [headings, *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(headings))]
    for row in everything:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
