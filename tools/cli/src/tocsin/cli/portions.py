"""A CSV file in portions of a request each, and how far it is: a bar on a terminal, a line for every ten portions in a pipe."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ROWS: Final = 1_000
_LINES_BETWEEN: Final = 10 * ROWS


class Portion(NamedTuple):
    """Rows of one request."""

    rows: list[tuple[int, dict[str, str]]]
    """The number of the line on which each ends, and its cells that are not empty."""

    @property
    def ends(self) -> int:
        """The number of the last line."""
        return self.rows[-1][0]


Show = Callable[[Portion], None]


def portions(file: Path, columns: Sequence[str]) -> Iterator[Portion]:
    """The rows of the file; of their cells those of these columns. Raises what reading a file and `csv` raise."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, strict=True)
        rows = (
            (reader.line_num, {name: cell for name in columns if (cell := (row.get(name) or "").strip())})
            for row in reader
        )
        while some := list(islice(rows, ROWS)):
            yield Portion(some)


@contextmanager
def shown(file: Path) -> Iterator[Show]:
    """What to call after each portion."""
    if not sys.stdout.isatty():
        yield _Lines()
        return
    with file.open("rb") as opened:
        lines = sum(1 for _ in opened)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("lines", total=lines)
        yield lambda portion: progress.update(task, completed=portion.ends)


class _Lines:
    """A line whenever so many were read."""

    def __init__(self) -> None:
        self._next = _LINES_BETWEEN

    def __call__(self, portion: Portion) -> None:
        if portion.ends >= self._next:
            typer.echo(f"{portion.ends} lines read", err=True)
            self._next = portion.ends + _LINES_BETWEEN
