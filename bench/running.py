"""Runs a measurement so many times and tells what came of it: the folder, the steps, the report, the exit code."""

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

from figures import Measured
from machine import this_machine
from report import Report
from tocsin.dev import LocalStackError, StartFailed
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


def run(measure: Measure, parser: argparse.ArgumentParser, *, runs: int = 1) -> int:
    """The exit code: 1 where a message is lost, doubled or out of order, or a part failed. A target that is missed is only said."""
    given = options(parser, runs=runs).parse_args()
    report = measured(measure, given)
    if report is None:
        return 1
    report.show()
    return 1 if report.faults else 0


def options(parser: argparse.ArgumentParser, *, runs: int = 1) -> argparse.ArgumentParser:
    """The parser with what every measurement takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and data in a new folder")
    parser.add_argument("--runs", type=int, default=runs, metavar="N", help="measure everything so often")
    return parser


def measured(measure: Measure, given: argparse.Namespace) -> Report | None:
    """What so many runs came to, written as JSON, and line by line beside it as it came; None where nothing could be started."""
    target = given.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        journal = target.with_suffix(".jsonl")
        journal.unlink(missing_ok=True)
        report = Report(machine=this_machine("not started"), journal=str(journal))
        with _folder(given.keep) as folder:
            asyncio.run(_measure_what_can_be(measure, folder, report, given.runs))
    except (LocalStackError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return None
    report.write(target)
    print(f"Written: {target}, and each part as it came: {report.journal}", file=sys.stderr)
    return report


async def attempt(report: Report, say: Steps, job: Awaitable[None]) -> None:
    """Do it; where it fails, the report holds what came before, and among its faults the part that failed."""
    try:
        await job
    except Exception as error:  # noqa: BLE001 -- whatever it is, what came before it is to be kept
        fault = f"{say.doing}: failed, and nothing after it was measured: {error!r}"
        report.take(say.doing, Measured(faults=[fault]))
        if isinstance(error, StartFailed):
            report.not_started.append(fault)
        if not isinstance(error, LocalStackError):
            traceback.print_exc()


async def _measure_what_can_be(measure: Measure, folder: Path, report: Report, runs: int) -> None:
    say = Steps()
    for number in range(1, runs + 1):
        report.runs = number
        if runs > 1:
            say(f"run {number} of {runs}")
        place = folder / f"run-{number}"
        place.mkdir()
        await attempt(report, say, measure(place, report, say))
        report.seconds = say.elapsed


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the runs have their files; gone afterwards unless it is to be kept."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    CACHE.mkdir(exist_ok=True)
    # On the project's own disk: a temporary folder in memory would make every write look cheap.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as folder:
        yield Path(folder)
