"""The proving ground: plays scenarios in which parts of Tocsin are killed, frozen, cut off and slowed, and proves what is promised.

`python faults/run.py [--only NAME ...] [--soak] [--json FILE] [--keep]` plays all scenarios, or those that are named, prints
a table and writes it to `build/faults.json`, and to `build/faults.md` as `docs/guarantees.md` has it. The exit code is 1 where one is red. `make faults` runs it.
"""

import argparse
import asyncio
import contextlib
import itertools
import logging
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

import scenarios  # noqa: F401 - makes them known
import table
from endings import Endings
from play import Row, Stage
from scenario import SCENARIOS, Scenario
from tenants import make_tenants
from tocsin.dev.paths import CACHE

ROOT = Path(__file__).parents[1]


async def play_all(chosen: Sequence[Scenario], folder: Path, results: Path) -> list[Row]:
    """One after the other, on one ground for as long as it is a good one; prints each row, and writes all there are, when it is there."""
    print(table.head(), flush=True)
    rows: list[Row] = []
    waiting, grounds = deque(_groups(chosen)), itertools.count()
    while waiting:
        group = waiting.popleft()
        async with _stage(folder / f"ground-{next(grounds)}", group[0]) as stage:
            red = False
            while group and not red:
                rows.append(await stage.play(group.pop(0)))
                red = bool(rows[-1].red)
                print(table.line_of(rows[-1]), flush=True)
                _write(rows, results)
        if group:  # after a red scenario nobody knows what the ground is worth
            waiting.appendleft(group)
    return rows


def _groups(chosen: Sequence[Scenario]) -> list[list[Scenario]]:
    """Scenarios that share a ground."""
    shared: dict[object, list[Scenario]] = {}
    for one in chosen:
        kind = one.name if one.own_ground else (one.ground, one.places, *sorted(one.settings.items()))
        shared.setdefault(kind, []).append(one)
    return list(shared.values())


@contextlib.asynccontextmanager
async def _stage(folder: Path, first: Scenario) -> AsyncIterator[Stage]:
    async with first.ground(folder, settings=first.settings, places=first.places) as ground:
        await ground.run({})
        await make_tenants(ground)
        async with Endings(ground.kafka.bootstrap_servers, ground.status_topics) as endings:
            yield Stage(ground, endings)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="play these alone")
    parser.add_argument("--soak", action="store_true", help="also the half hour of the soak")
    parser.add_argument("--list", action="store_true", help="print the names and what each is about")
    parser.add_argument("--json", type=Path, metavar="FILE", default=ROOT / "build" / "faults.json")
    parser.add_argument("--keep", action="store_true", help="keep logs and data, and say where they are")
    given = parser.parse_args()
    if given.list:
        print("\n".join(f"{one.name:44} {one.about}" for one in SCENARIOS.values()))
        return 0
    if unknown := set(given.only) - SCENARIOS.keys():
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}; --list has the names")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers go away here on purpose
    every = [one for one in SCENARIOS.values() if given.soak or one.name != "soak"]
    chosen = [SCENARIOS[name] for name in given.only] or every
    with _folder(keep=given.keep) as folder:
        rows = asyncio.run(play_all(chosen, folder, given.json))
    red = [row.scenario for row in rows if row.red or row.late]
    print(f"{len(rows)} scenarios, {len(red)} red{': ' if red else ''}{', '.join(red)}")
    return 1 if red else 0


def _write(rows: Sequence[Row], results: Path) -> None:
    """Every figure as JSON, and the table for `docs/guarantees.md` beside it."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    results.with_suffix(".md").write_text(table.markdown(rows) + "\n")


@contextlib.contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Where the run has its files, on the project's own disk; gone afterwards, unless kept."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=CACHE))
    try:
        yield folder
    finally:
        if keep:
            print(f"logs and data: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
