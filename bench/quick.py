"""How fast is it, and what is the time made of? Two minutes on a real Kafka and a real PostgreSQL, all on this machine.

`python bench/quick.py [--json FILE]` measures each stage alone from a prepared backlog, then the whole path, its memory and
its latency. It sends a known set of messages and ends with exit code 1, saying which, when one is lost or doubled; a goal
that is missed is only said. When a part fails, what was measured before it is written all the same, and the part is named. The JSON goes to `bench/results/` unless FILE is given.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import tenant
from environment import Environment
from report import Report
from rows import Rows
from running import Steps, run
from sink import Sink
from stages import Measured, Stages
from timer_stages import TimerStages
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.api import Api
from whole_path import SERVICES, WholePath

PUBLISH_SECONDS = 30.0
TIMERS = 60_000


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
        async with Rows(environment.database, schema="scheduler") as timer_rows:
            timers = TimerStages(environment=environment, rows=timer_rows)
            await take("scheduler alone", lambda: timers.set_and_fired(TIMERS))
        await take("ingest alone, batches", alone.ingest_batches)
        say("ending")


if __name__ == "__main__":
    sys.exit(run(measure, argparse.ArgumentParser(description=__doc__)))
