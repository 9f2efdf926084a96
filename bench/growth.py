"""Does a message cost the same when everything around it has grown? Hours, and it goes on where it was ended.

`python bench/growth.py [--scale S] [--only GROUP …] [--fresh] [--record]` measures each point of each group (partitions, shards, instances, recipients, claims, ledger rows,
backlog, promises, traces) in a broker and a database of its own, and says before it starts what disk it needs. A point that was measured without a fault is not
measured again, also when the code is another one now: then the run says so, and table and plots name the commits. `--fresh` begins anew. Results are
lines of `bench/results/growth-S.jsonl`; plots of the cost a message lie beside it. `--record` writes both into docs/growth.md.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from calibration import PROCESSES, calibrate
from growth_cases import (
    BACKLOG,
    BYTES_A_MESSAGE,
    Case,
    backlogs,
    cold_start,
    everything,
    many_claims,
    many_recipients,
    many_rows,
    promises,
)
from growth_page import record, show, write_plots
from growth_points import MeasuredPoint, append, by_commit, latest, read, set_aside
from machine import DIRTY, this_commit, this_machine
from place import opened
from report import Report
from running import RESULTS, Steps, attempt
from sink import HTTP, Sink
from tocsin.dev.paths import CACHE

STACK_BYTES = 4e9
"""Broker and database with the messages of the stages and the whole path."""
SPARE = 1.5
"""So much more has to be free than is needed."""

CASES = (
    *(
        Case(group="partitions", value=partitions, run=everything, disk=STACK_BYTES, partitions=partitions, shards=shards)
        for partitions, shards in ((4, 2), (4, 4), (12, 2), (12, 4), (12, 12), (64, 4), (64, 16))
    ),
    *(
        Case(group="instances", value=count, run=backlogs, disk=STACK_BYTES, partitions=12, shards=4, instances=count)
        for count in (1, 2, 4)
    ),
    *(
        Case(group="recipients", value=count, run=many_recipients, disk=STACK_BYTES + count * 900)
        for count in (10_000, 100_000, 1_000_000, 5_000_000)
    ),
    *(
        Case(group="claims", value=count, run=many_claims, disk=STACK_BYTES + count * 500)
        for count in (100_000, 1_000_000, 10_000_000)
    ),
    *(
        Case(group="ledger rows", value=count, run=many_rows, disk=STACK_BYTES + count * 3_000)
        for count in (100_000, 1_000_000, 10_000_000)
    ),
    Case(group="promises", value=1, run=promises, disk=STACK_BYTES),
    Case(group="backlog", value=BACKLOG, run=cold_start, disk=STACK_BYTES + BACKLOG * BYTES_A_MESSAGE),
    *(
        Case(group="traces, %", value=share, run=everything, disk=STACK_BYTES, settings={"TRACE_SAMPLE_RATIO": str(share / 100), "TRACES_PER_SECOND": "1000000"})
        for share in (0, 1, 100)
    ),
)  # fmt: skip
GROUPS = tuple(dict.fromkeys(case.group for case in CASES))


def tell_of_other_commits(points: Sequence[MeasuredPoint], now: str) -> None:
    """Says which points are not measured again though the code is another one now."""
    others = by_commit(
        [point for point in points if (point.commit != now or now.endswith(DIRTY)) and not point.faults]
    )
    if others:
        count = sum(map(len, others.values()))
        print(
            f"{count} points of commit {', '.join(others)} are not measured again, though the code is at {now}; --fresh begins anew"
        )


async def measure(case: Case, scale: float, say: Steps) -> MeasuredPoint:
    """One point, in a folder that is gone afterwards."""
    report = Report(machine=this_machine("not started"))
    before = calibrate(PROCESSES)
    with tempfile.TemporaryDirectory(prefix="growth-", dir=CACHE) as folder:
        await attempt(report, say, _measure(case, scale, Path(folder), report, say))
    return MeasuredPoint(
        group=case.group,
        value=case.value,
        partitions=case.partitions,
        shards=case.shards,
        instances=case.instances,
        machine=report.machine,
        figures=report.figures,
        faults=report.faults,
        calibration_us=(before + calibrate(PROCESSES)) / 2,
    )


async def _measure(case: Case, scale: float, folder: Path, report: Report, say: Steps) -> None:
    collector = Sink(folder / "collector.log", program=HTTP)
    settings = case.environment
    if case.group == "traces, %":
        settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}"}
    async with (
        collector,
        opened(folder, report, say, partitions=case.partitions, settings=settings) as place,
    ):
        await case.run(place, case, scale)


def main() -> int:
    """The exit code: 1 where a point has a fault, or the disk is too small."""
    given = _given()
    file = RESULTS / f"growth-{given.scale:g}.jsonl"
    RESULTS.mkdir(exist_ok=True)
    CACHE.mkdir(exist_ok=True)
    if given.fresh:
        set_aside(file, given.only)
    wanted = [case for case in CASES if case.group in given.only]
    missing = _missing(wanted, read(file))
    if not _there_is_room(missing, of=len(wanted), scale=given.scale):
        return 1
    say = Steps()
    for number, case in enumerate(missing, 1):
        say(f"{number} of {len(missing)}: {case.key}")
        append(file, asyncio.run(measure(case, given.scale, say)))
    measured = latest(read(file), wanted)
    _tell(measured, file, to_record=given.record)
    return 1 if any(point.faults for point in measured) else 0


def _given() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="S", help="everything so much larger; 0.01 tries it"
    )
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="leave the others out")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="measure every point of these groups anew; the old ones are kept in a file beside",
    )
    parser.add_argument("--record", action="store_true", help="write docs/growth.md as well")
    given = parser.parse_args()
    if given.record and (given.scale != 1 or set(given.only) != set(GROUPS)):
        parser.error("--record is of everything at scale 1: leave --scale and --only out")
    return given


def _missing(wanted: Sequence[Case], before: Sequence[MeasuredPoint]) -> list[Case]:
    """What was not measured yet without a fault. Says which points are of other commits."""
    tell_of_other_commits(latest(before, wanted), this_commit())
    return [case for case in wanted if not any(point.is_of(case) and not point.faults for point in before)]


def _there_is_room(missing: Sequence[Case], *, of: int, scale: float) -> bool:
    """Whether the disk has it; says what is needed."""
    needed = max((STACK_BYTES + (case.disk - STACK_BYTES) * scale for case in missing), default=0.0)
    free = shutil.disk_usage(CACHE).free
    print(
        f"{len(missing)} of {of} points are to be measured; the largest needs {needed / 1e9:.0f} GB of disk, {free / 1e9:.0f} GB are free in {CACHE}"
    )
    if free >= needed * SPARE:
        return True
    print(
        f"That is not enough: free {needed * SPARE / 1e9:.0f} GB, or measure less with --scale or --only.",
        file=sys.stderr,
    )
    return False


def _tell(measured: Sequence[MeasuredPoint], file: Path, *, to_record: bool) -> None:
    """The table, the plots, and the page where that is asked for and nothing is wrong."""
    show(measured)
    written = list(write_plots(measured, RESULTS, file.stem).values())
    if to_record and any(point.faults for point in measured):
        print("Nothing is recorded while a point has faults.", file=sys.stderr)
    elif to_record:
        written += record(measured)
    for path in written:
        print(f"Written: {path}")


if __name__ == "__main__":
    sys.exit(main())
