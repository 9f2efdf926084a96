"""What does an event cost the router? Its own `Router.process` over batches of real records, without Kafka and PostgreSQL.

`python bench/routing.py [--times N] [--against CHECKOUT]` prints microseconds of processor time a message, and the stages that they are
spent in. The tables of the database are dictionaries here. With CHECKOUT (`git worktree add`) the router of that checkout runs by turns
with ours, on the libraries of this environment, and cases in which the two write other bytes are named. The cheapest batch
of N turns counts: other work on the machine only adds to it.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from routed_cases import CASES, STAGES, Taken, measure

PROJECT = Path(__file__).parent.parent
Turn = dict[str, Taken]


def one_turn(checkout: Path) -> Turn:
    """All cases by the router of this checkout, in a process of its own."""
    folders = (checkout.glob(pattern) for pattern in ("libs/*/src", "services/*/src"))
    sources = os.pathsep.join(sorted(str(folder) for matching in folders for folder in matching))
    command = [sys.executable, __file__, "--once"]
    environment = os.environ | {"PYTHONPATH": sources}
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return msgspec.json.decode(answer, type=Turn)


def show(turns: dict[str, list[Turn]]) -> None:
    """The table, and what was written otherwise."""
    print(f"{'microseconds a message':28}{'all':>8}", *(f"{stage:>8}" for stage in STAGES))
    for case in CASES:
        least = {
            name: min((turn[case] for turn in done), key=lambda taken: taken.all)
            for name, done in turns.items()
        }
        for name, taken in least.items():
            stages = (f"{taken.stages[stage]:8.1f}" for stage in STAGES)
            print(f"{case if name == 'ours' else '  ' + name:28}{taken.all:8.1f}", *stages)
        if len({taken.written for taken in least.values()}) > 1:
            print("  THE TWO WROTE OTHER BYTES")


def main() -> None:
    """Measure by turns and show it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, metavar="N", help="turns of each checkout")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(measure())))
        return
    checkouts = {"ours": PROJECT}
    if given.against:
        checkouts["theirs"] = given.against.resolve(strict=True)
    turns: dict[str, list[Turn]] = {name: [] for name in checkouts}
    for _ in range(given.times):
        for name, checkout in checkouts.items():
            turns[name].append(one_turn(checkout))
    show(turns)


if __name__ == "__main__":
    main()
