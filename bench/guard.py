"""Does a message cost more than it did? The stages' processor time beside that of the last record, in a minute, or three when one seems worse.

`python bench/guard.py` measures the stages and ends with exit code 1 when one of them takes over 25 % more processor time a message than
`bench/record/guard.json` says (70 % on another processor or with another version of Python than the record's, for which the calibration speaks only roughly), or when a message was lost. What counts is the time of the service and the database, divided by what a fixed piece
of work takes on the same machine just before and just after. A stage that seems worse is measured twice more, and the least counts: other
work on the machine only ever makes it longer. So are the stages that were not measured because a process did not start. `--record` writes the record anew, the
median of ten runs, and says how far they lie apart.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from calibration import PROCESSES, calibrate
from figures import Figure
from machine import Machine
from place import opened
from report import Report
from running import Steps, measured, options
from stages import Sizes, Stages

RECORD = Path(__file__).with_name("record") / "guard.json"
ALLOWED, ALLOWED_ELSEWHERE = 1.25, 1.7
"""What a message may cost, as a multiple of the record: on its processor, with its number of cores and its Python, and elsewhere. Debian's Python 3.11.2
does the piece of calibration in four fifths of the time of a 3.11.7 that was compiled on the machine, and serves a request in the same time."""
TRIES = 3
RECORDING_RUNS = 10
SIZES = Sizes(ingest=10_000, batches=40_000, direct=6_000, everywhere=5_000, fan_out_events=10)
NOT_OURS = {"broker", "sink", "load"}
"""The broker's time depends on how far its compilers have come; the rest is the bench's own."""
HOW_TO_ACCEPT = """\
If the change is worth it, accept it on a machine that does nothing else and commit what that writes:
  make bench-record         measures everything and writes docs/benchmarks.md, too (three quarters of an hour)
  make bench-guard-record   writes bench/record/guard.json alone (ten minutes)"""


class Record(msgspec.Struct, kw_only=True):
    """Pieces of calibration that one message costs, by stage."""

    commit: str
    cpu: str
    cores: int
    python: str
    costs: dict[str, float]
    calibrated_in: int = 1
    """Processes that did the piece of calibration side by side. Whoever compares calibrates in as many."""
    spread: dict[str, tuple[float, float]] = {}
    """Of each stage the lowest and the highest of the runs that were recorded, as multiples of their median."""


async def measure(folder: Path, report: Report, say: Steps, *, calibrate_in: int) -> None:
    """Each stage, with the calibration beside it."""
    async with opened(folder, report, say) as place:
        stages = Stages(place, sizes=SIZES)
        jobs = {
            "ingest": stages.ingest,
            "router": stages.router,
            "router, three jobs out": stages.router_three,
            "router, fan-out": stages.fan_out,
            "dispatch-email": stages.dispatch,
            "ledger": stages.ledger,
            "ingest, batches": stages.ingest_batches,
        }
        before = calibrate(calibrate_in)
        for what, job in jobs.items():
            say(what)
            result = await job()
            after = calibrate(calibrate_in)
            for figure in result.figures:
                figure.more["calibration, us"] = min(before, after)
            result.faults += place.environment.ended()
            report.take(what, result)
            before = after


def costs(figures: Iterable[Figure]) -> dict[str, list[float]]:
    """Pieces of calibration that one message costs, by stage, for each run."""
    runs: dict[str, list[float]] = {}
    for figure in figures:
        ours = sum(us for name, us in figure.cpu_us.items() if name not in NOT_OURS)
        runs.setdefault(figure.name, []).append(ours / figure.more["calibration, us"])
    return runs


def worse(now: Mapping[str, float], before: Mapping[str, float], *, allowed: float = ALLOWED) -> list[str]:
    """A sentence for each stage that costs too much more, or of which one of the two says nothing."""
    said = [f"{name}: measured in only one of the two" for name in sorted(now.keys() ^ before.keys())]
    for name in now.keys() & before.keys():
        ratio = now[name] / before[name]
        if ratio > allowed:
            said.append(
                f"{name}: costs {100 * (ratio - 1):.0f} % more than the record; at most {100 * (allowed - 1):.0f} %"
            )
    return said


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tries so far beside the record."""

    record: Record
    machine: Machine
    now: Mapping[str, float]
    """The least that each stage has cost."""
    not_started: Sequence[str]
    """Faults of processes that did not start, in any of the tries."""

    @property
    def sentences(self) -> list[str]:
        """What is worse."""
        record = self.record
        same = _place(self.machine) == (record.cpu, record.cores, record.python)
        return worse(self.now, record.costs, allowed=ALLOWED if same else ALLOWED_ELSEWHERE)

    @property
    def unmeasured_for_a_start(self) -> bool:
        """Whether a stage was not measured, and a process did not start."""
        return bool(self.record.costs.keys() - self.now.keys() and self.not_started)


def compare(given: argparse.Namespace) -> int:
    """The exit code."""
    comparison = _tried(given, msgspec.json.decode(RECORD.read_bytes(), type=Record))
    if comparison is None:
        return 1
    _say(comparison)
    return 1 if comparison.sentences else 0


def _tried(given: argparse.Namespace, record: Record) -> Comparison | None:
    """After the first try in which nothing is worse, or the last one. None where nothing could be measured, or a message was lost."""
    figures: list[Figure] = []
    not_started: list[str] = []
    for number in range(TRIES):
        report = measured(partial(measure, calibrate_in=record.calibrated_in), _try(given, number))
        if report is None or _wrong([fault for fault in report.faults if fault not in report.not_started]):
            return None
        not_started += report.not_started
        for fault in report.not_started:
            print(f"NOT STARTED, try {number + 1} of {TRIES}: {fault}")
        figures += report.figures
        least = {name: min(values) for name, values in costs(figures).items()}
        comparison = Comparison(record=record, machine=report.machine, now=least, not_started=not_started)
        if not comparison.sentences:
            break
    return comparison


def _say(comparison: Comparison) -> None:
    record, machine, now = comparison.record, comparison.machine, comparison.now
    print(
        f"Processor time a message on {machine.cores} x {machine.cpu}, Python {machine.versions['python']}, beside the record of "
        f"{record.commit} ({record.cores} x {record.cpu}, Python {record.python}):"
    )
    for name in record.costs:
        if name in now:
            print(f"{100 * (now[name] / record.costs[name] - 1):+6.1f} %  {name}")
    for sentence in comparison.sentences:
        print(f"WORSE: {sentence}")
    if comparison.sentences and not comparison.unmeasured_for_a_start:
        print(HOW_TO_ACCEPT)


def _place(machine: Machine) -> tuple[str, int, str]:
    """Where a comparison holds to the percent."""
    return machine.cpu, machine.cores, machine.versions["python"]


def _try(given: argparse.Namespace, number: int) -> argparse.Namespace:
    """Each try keeps its files in a folder of its own."""
    own = argparse.Namespace(**vars(given))
    if number and given.keep is not None:
        own.keep = given.keep.with_name(f"{given.keep.name}-{number + 1}")
    if number and given.json is not None:
        own.json = given.json.with_stem(f"{given.json.stem}-{number + 1}")
    return own


def keep(given: argparse.Namespace) -> int:
    """Write the record; not when a message was lost."""
    report = measured(partial(measure, calibrate_in=PROCESSES), given)
    if report is None or _wrong(report.faults):
        print("Nothing is recorded.")
        return 1
    runs = costs(report.figures)
    middle = {name: median(values) for name, values in runs.items()}
    spread = {name: (min(values) / middle[name], max(values) / middle[name]) for name, values in runs.items()}
    machine = report.machine
    cpu, cores, python = _place(machine)
    record = Record(
        commit=machine.commit,
        cpu=cpu,
        cores=cores,
        python=python,
        costs=middle,
        calibrated_in=PROCESSES,
        spread=spread,
    )
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    for name, (lowest, highest) in spread.items():
        print(f"{100 * (lowest - 1):+6.1f} to {100 * (highest - 1):+6.1f} %  {name}")
    print(f"Written: {RECORD}")
    return 0


def _wrong(faults: Sequence[str]) -> bool:
    for fault in faults:
        print(f"WRONG: {fault}")
    return bool(faults)


def main() -> int:
    """The exit code."""
    parser = options(argparse.ArgumentParser(description=__doc__))
    parser.add_argument("--record", action="store_true", help="write the record anew, from several runs")
    given = parser.parse_args()
    if not given.record:
        return compare(given)
    if given.runs == 1:
        given.runs = RECORDING_RUNS
    return keep(given)


if __name__ == "__main__":
    sys.exit(main())
