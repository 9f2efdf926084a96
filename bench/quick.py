"""How fast is it, and what is the time made of? Two minutes on a real Kafka and a real PostgreSQL, all on this machine.

`python bench/quick.py [--json FILE]` measures each stage alone from a prepared backlog, then the whole path, its memory and
its latency. It sends a known set of messages and ends with exit code 1, saying which, when one is lost or doubled; a goal
that is missed is only said. When a part fails, what was measured before it is written all the same, and the part is named. The JSON goes to `bench/results/` unless FILE is given.
"""

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

import tenant
from environment import Environment
from machine import this_machine
from report import Report
from rows import Rows
from sink import Sink
from stages import Measured, Stages
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import LocalStackError
from tocsin.dev.api import Api
from tocsin.dev.paths import CACHE
from whole_path import SERVICES, WholePath

PUBLISH_SECONDS = 30.0
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


async def measure(folder: Path, report: Report, say: Steps) -> None:
    """Everything, in order, into the report; raises what makes it impossible to go on."""
    say("starting Kafka and PostgreSQL")
    async with (
        Sink(folder / "sink.log") as sink,
        Environment(folder, smtp_port=sink.smtp_port) as environment,
        Rows(environment.database) as rows,
    ):
        report.machine.versions["postgresql"] = await rows.version()
        say("making the tenant")
        environment.launch("router", "api")
        await environment.ready("router")
        async with Api(url=environment.url("router"), key=environment.key) as api:
            await tenant.settle(api)
            await rows.until_published(seconds=PUBLISH_SECONDS)
        await environment.stop("router")

        async def take(what: str, job: Callable[[], Awaitable[Measured]]) -> None:
            say(what)
            found = await job()
            report.figures += found.figures
            report.faults += [*found.faults, *environment.ended()]

        alone = Stages(environment=environment, sink=sink, rows=rows)
        await take("ingest alone", alone.ingest)
        await take("router alone", alone.router)
        await take("router alone, fan-out", alone.fan_out)
        await take("dispatch-email alone", alone.dispatch)
        await take("ledger alone", alone.ledger)
        say("starting all services")
        async with environment.running(*SERVICES):
            whole = WholePath(environment=environment, sink=sink, rows=rows)
            await take("whole path", whole.throughput)
            await take("latency at 100/s", lambda: whole.latency(Lane.CRITICAL, 100, goal_ms=25))
            await take("latency at 1,000/s", lambda: whole.latency(Lane.TRANSACTIONAL, 1_000))
        say("ending")


async def measure_what_can_be(folder: Path, report: Report) -> None:
    """`measure`; where it fails, the report holds what came before, and among its faults the part that failed."""
    say = Steps()
    try:
        await measure(folder, report, say)
    except Exception as error:  # noqa: BLE001 -- whatever it is, what came before it is to be kept
        report.faults.append(f"{say.doing}: failed, and nothing after it was measured: {error!r}")
        if not isinstance(error, LocalStackError):
            traceback.print_exc()
    report.seconds = say.elapsed


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and data in a new folder")
    given = parser.parse_args()
    target = given.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    try:
        report = Report(machine=this_machine("not started"))
        with _folder(given.keep) as folder:
            asyncio.run(measure_what_can_be(folder, report))
    except (LocalStackError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    report.write(target)
    report.show()
    print(f"The same as JSON: {target}")
    return 1 if report.faults else 0


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


if __name__ == "__main__":
    sys.exit(main())
