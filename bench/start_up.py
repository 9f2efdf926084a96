"""How much processor time does a service take from its start until it is ready?

`python bench/start_up.py [--times N] [--against CHECKOUT]` starts each service N times, one after the other, beside a real Kafka and
a real PostgreSQL that hold a tenant and nothing else, and prints what each took until `/readyz` answered 200: the least and the
median, and the same for a Python that does nothing. With CHECKOUT (`git worktree add`) the services of that checkout start by
turns with ours, on the libraries of this environment. Bytecode lies ready, as in an image: the first start of each does not count.

A busy machine makes processor time longer, too: compare within one run, and the least rather than the median.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from environment import NOBODY, Environment
from processor_time import cpu_seconds
from tocsin.dev.paths import CACHE, PROJECT
from tocsin.dev.services import NAMES

NOTHING = "python -c pass"


class Starts:
    """Starts services of some checkouts and keeps what each start took, in seconds, by service and checkout."""

    def __init__(self, environment: Environment, checkouts: Mapping[str, Path]) -> None:
        self._environment = environment
        common = {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(environment.folder / "bytecode"),
        }
        self._variables = {
            name: common | {"PYTHONPATH": os.pathsep.join(_sources(checkout))}
            for name, checkout in checkouts.items()
        }
        self.taken: dict[tuple[str, str], list[float]] = {}

    async def once(self, *, count: bool) -> None:
        """Each service of each checkout, and a Python that does nothing."""
        for checkout, variables in self._variables.items():
            for service in NAMES:
                seconds = await self._until_ready(service, variables)
                if count:
                    self.taken.setdefault((service, checkout), []).append(seconds)
            if count:
                self.taken.setdefault((NOTHING, checkout), []).append(await self._nothing(variables))

    async def _until_ready(self, service: str, variables: Mapping[str, str]) -> float:
        async with self._environment.running(service, **variables):
            return cpu_seconds(self._environment.pids[service])

    async def _nothing(self, variables: Mapping[str, str]) -> float:
        before = os.times()
        idle = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass", env=os.environ | variables)
        await idle.wait()
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


def _sources(checkout: Path) -> list[str]:
    folders = (checkout.glob(pattern) for pattern in ("libs/*/src", "services/*/src"))
    return sorted(str(folder) for matching in folders for folder in matching)


async def measure(
    folder: Path, checkouts: Mapping[str, Path], times: int
) -> Mapping[tuple[str, str], list[float]]:
    """What `Starts` kept of so many starts. Needs Kafka and PostgreSQL, which it starts in the folder."""
    async with Environment(folder, smtp_port=NOBODY) as environment:
        starts = Starts(environment, checkouts)
        for number in range(times + 1):
            print(f"start {number} of {times}", file=sys.stderr, flush=True)
            await starts.once(count=number > 0)
        return starts.taken


def show(taken: Mapping[tuple[str, str], list[float]], checkouts: Mapping[str, Path]) -> None:
    """The table."""
    ratio = len(checkouts) == 2
    print(" " * 16, *(f"{name:>22}" for name in checkouts), "   ratio" if ratio else "")
    for service in (NOTHING, *NAMES):
        rows = [taken[service, checkout] for checkout in checkouts]
        figures = [f"{min(row):6.2f} s, median {median(row):5.2f}" for row in rows]
        print(f"{service:16}", *figures, f"{min(rows[0]) / min(rows[-1]):8.2f}" if ratio else "")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, metavar="N", help="starts of each service that count")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="another checkout of this repository"
    )
    given = parser.parse_args()
    checkouts = {"this checkout": PROJECT}
    if given.against:
        checkouts[str(given.against)] = given.against.resolve(strict=True)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="start-up-", dir=CACHE) as folder:
        taken = asyncio.run(measure(Path(folder), checkouts, given.times))
    show(taken, checkouts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
