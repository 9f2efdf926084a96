"""Does a message cost the same when everything around it has grown? Hours, and it goes on where it was ended.

`python bench/growth.py [--scale S] [--only GROUP …] [--fresh]` measures each point of each group (partitions, shards, instances, recipients, claims, ledger rows,
backlog, promises, traces) in a broker and a database of its own, and says before it starts what disk it needs. A point that was measured without a fault is not
measured again, also when the code is another one now: then the run says so, and table and plots name the commits. `--fresh` begins anew. Results are
lines of `bench/results/growth-S.jsonl`; plots of the cost a message lie beside it.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from figures import Figure
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
from machine import DIRTY, this_commit, this_machine
from place import opened
from plot import Point, chart
from report import Report
from running import RESULTS, Steps, attempt
from sink import HTTP, Sink
from tocsin.dev.paths import CACHE

STACK_BYTES = 4e9
"""Broker and database with the messages of the stages and the whole path."""
SPARE = 1.5
"""So much more has to be free than is needed."""
NOT_OURS = {"broker", "sink", "load"}

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
        Case(group="traces, %", value=share, run=everything, disk=STACK_BYTES, settings={"TRACE_SAMPLE_RATIO": str(share / 100)})
        for share in (0, 1, 100)
    ),
)  # fmt: skip
GROUPS = tuple(dict.fromkeys(case.group for case in CASES))


class Done(msgspec.Struct, kw_only=True):
    """One line of the results: one point."""

    group: str
    value: float
    partitions: int
    shards: int
    instances: int
    commit: str
    figures: list[Figure]
    faults: list[str]

    def is_of(self, case: Case) -> bool:
        """Whether it is this point."""
        place = (self.group, self.value, self.partitions, self.shards, self.instances)
        return place == (case.group, case.value, case.partitions, case.shards, case.instances)


def latest(done: Sequence[Done], cases: Sequence[Case]) -> list[Done]:
    """The last time that each point was measured, in the order of the cases."""
    found = (next((one for one in reversed(done) if one.is_of(case)), None) for case in cases)
    return [one for one in found if one is not None]


def read(file: Path) -> list[Done]:
    """What was measured so far. A last line that was not written whole is taken away, so that the next one stands alone."""
    if not file.exists():
        return []
    whole, _, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        file.write_bytes(whole + b"\n" if whole else b"")
    return [msgspec.json.decode(line, type=Done) for line in whole.splitlines()]


def set_aside(file: Path, groups: Collection[str]) -> None:
    """The points of these groups count no longer. They are kept beside the file, under its name and `.before`."""
    done = read(file)
    with file.with_name(f"{file.name}.before").open("ab") as before:
        before.writelines(_line(one) for one in done if one.group in groups)
    file.write_bytes(b"".join(_line(one) for one in done if one.group not in groups))


def _line(done: Done) -> bytes:
    return msgspec.json.encode(done) + b"\n"


def tell_of_other_commits(done: Sequence[Done], now: str) -> None:
    """Says which points are not measured again though the code is another one now."""
    others = by_commit([one for one in done if (one.commit != now or now.endswith(DIRTY)) and not one.faults])
    if others:
        count = sum(map(len, others.values()))
        print(
            f"{count} points of commit {', '.join(others)} are not measured again, though the code is at {now}; --fresh begins anew"
        )


def by_commit(done: Sequence[Done]) -> dict[str, list[Done]]:
    """The points of each commit, in the order in which they are given."""
    found: dict[str, list[Done]] = {}
    for one in done:
        found.setdefault(one.commit, []).append(one)
    return found


async def measure(case: Case, scale: float, say: Steps) -> Done:
    """One point, in a folder that is gone afterwards."""
    report = Report(machine=this_machine("not started"))
    with tempfile.TemporaryDirectory(prefix="growth-", dir=CACHE) as folder:
        await attempt(report, say, _measure(case, scale, Path(folder), report, say))
    return Done(
        group=case.group,
        value=case.value,
        partitions=case.partitions,
        shards=case.shards,
        instances=case.instances,
        commit=report.machine.commit,
        figures=report.figures,
        faults=report.faults,
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


def show(done: Sequence[Done]) -> None:
    """Every figure with where it was measured."""
    for one in done:
        print(
            f"\n{one.group} {one.value:,.0f}: {one.partitions} partitions, {one.shards} shards, {one.instances} instances; commit {one.commit}"
        )
        for figure in one.figures:
            cost = _cost(figure)
            used = f"  {cost:,.0f} us a message of ours" if cost else ""
            print(f"  {figure.name}: {figure.value:,.1f} {figure.unit}{used}")
        for fault in one.faults:
            print(f"  WRONG: {fault}")
    commits = by_commit(done)
    if len(commits) > 1:
        counts = ", ".join(f"{len(points)} of {commit}" for commit, points in commits.items())
        print(f"\nThese points are of several commits, so differences may come from the code: {counts}")


def plots(done: Sequence[Done]) -> dict[str, str]:
    """By group, the cost of a message over what grows; where one value was measured with several numbers of shards, the first."""
    made: dict[str, str] = {}
    for group in dict.fromkeys(one.group for one in done):
        lines: dict[str, dict[float, float]] = {}
        for one in done:
            for figure in one.figures if one.group == group and one.value > 0 else ():
                if cost := _cost(figure):
                    lines.setdefault(figure.name.partition(":")[0], {}).setdefault(one.value, cost)
        points: dict[str, list[Point]] = {
            name: list(line.items()) for name, line in lines.items() if len(line) > 1
        }
        if points:
            note = _commits_of([one for one in done if one.group == group])
            made[group] = chart(
                f"Cost over {group}", across=group, up="us a message", lines=points, note=note
            )
    return made


def _commits_of(done: Sequence[Done]) -> str:
    """Which points are of which commit, where they are of several."""
    commits = by_commit(done)
    if len(commits) < 2:
        return ""
    return "; ".join(
        f"{commit}: {', '.join(dict.fromkeys(f'{one.value:,.0f}' for one in points))}"
        for commit, points in commits.items()
    )


def _cost(figure: Figure) -> float:
    return sum(us for name, us in figure.cpu_us.items() if name not in NOT_OURS)


def main() -> int:
    """The exit code: 1 where a point has a fault, or the disk is too small."""
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
    given = parser.parse_args()
    file = RESULTS / f"growth-{given.scale:g}.jsonl"
    RESULTS.mkdir(exist_ok=True)
    CACHE.mkdir(exist_ok=True)
    if given.fresh:
        set_aside(file, given.only)
    before = read(file)
    wanted = [case for case in CASES if case.group in given.only]
    missing = [case for case in wanted if not any(one.is_of(case) and not one.faults for one in before)]
    needed = max((STACK_BYTES + (case.disk - STACK_BYTES) * given.scale for case in missing), default=0.0)
    free = shutil.disk_usage(CACHE).free
    tell_of_other_commits(latest(before, wanted), this_commit())
    print(
        f"{len(missing)} of {len(wanted)} points are to be measured; the largest needs {needed / 1e9:.0f} GB of disk, {free / 1e9:.0f} GB are free in {CACHE}"
    )
    if free < needed * SPARE:
        print(
            f"That is not enough: free {needed * SPARE / 1e9:.0f} GB, or measure less with --scale or --only.",
            file=sys.stderr,
        )
        return 1
    say = Steps()
    for number, case in enumerate(missing, 1):
        say(f"{number} of {len(missing)}: {case.key}")
        done = asyncio.run(measure(case, given.scale, say))
        with file.open("ab") as lines:
            lines.write(_line(done))
    measured = latest(read(file), wanted)
    show(measured)
    for group, drawn in plots(measured).items():
        target = file.with_name(
            f"{file.stem}-{group.replace(' ', '-').replace(',', '').replace('%', 'share')}.svg"
        )
        target.write_text(drawn)
        print(f"Written: {target}")
    return 1 if any(one.faults for one in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
