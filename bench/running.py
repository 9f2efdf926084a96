"""Runs a measurement and tells what came of it: the folder, the steps, the report, the exit code."""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from machine import this_machine
from report import Report
from tocsin.dev import LocalStackError
from tocsin.dev.paths import CACHE

RESULTS = Path(__file__).with_name("results")


class Steps:
    """Tells on stderr what is being done, and since when."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.doing = "beginning"
        """What was said last."""

    @property
    def elapsed(self) -> float:
        """Seconds since the first."""
        return time.monotonic() - self._began

    def __call__(self, doing: str) -> None:
        self.doing = doing
        print(f"{self.elapsed:6.1f} s  {doing}", file=sys.stderr, flush=True)


Measure = Callable[[Path, Report, Steps], Awaitable[None]]
"""Everything, in order, into the report, with files in the folder; raises what makes it impossible to go on."""


def run(measure: Measure, parser: argparse.ArgumentParser) -> int:
    """The exit code: 1 where a message is lost or doubled, or a part failed. A goal that is missed is only said."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and data in a new folder")
    given = parser.parse_args()
    target = given.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    try:
        report = Report(machine=this_machine("not started"))
        with _folder(given.keep) as folder:
            asyncio.run(_measure_what_can_be(measure, folder, report))
    except (LocalStackError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    report.write(target)
    report.show()
    print(f"The same as JSON: {target}")
    return 1 if report.faults else 0


async def _measure_what_can_be(measure: Measure, folder: Path, report: Report) -> None:
    """`measure`; where it fails, the report holds what came before, and among its faults the part that failed."""
    say = Steps()
    try:
        await measure(folder, report, say)
    except Exception as error:  # noqa: BLE001 -- whatever it is, what came before it is to be kept
        report.faults.append(f"{say.doing}: failed, and nothing after it was measured: {error!r}")
        if not isinstance(error, LocalStackError):
            traceback.print_exc()
    report.seconds = say.elapsed


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the run has its files; gone afterwards unless it is to be kept."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    CACHE.mkdir(exist_ok=True)
    # On the project's own disk: a temporary folder in memory would make every write look cheap.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as folder:
        yield Path(folder)
