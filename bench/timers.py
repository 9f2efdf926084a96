"""What do timers cost that wait, and how long does a second take in which many are due? Six minutes on a real Kafka and a real PostgreSQL.

`python bench/timers.py [--pending N] [--due N] [--rest SECONDS] [--json FILE]` measures the scheduler alone: at rest without timers, while rows are made of
N (a million) that are due in a month, at rest with those, and in one second in which N more (20,000) are due. It ends with exit code 1,
saying which, when one is lost or fires twice; a goal that is missed is only said. The JSON goes to `bench/results/` unless FILE is given.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from environment import NOBODY, Environment
from figures import Measured
from report import Report
from rows import Rows
from running import Steps, run
from timer_stages import SCHEDULER, TimerStages


async def measure(folder: Path, report: Report, say: Steps, *, pending: int, due: int, rest: float) -> None:
    """Everything, in order, into the report; raises what makes it impossible to go on."""
    say("starting Kafka and PostgreSQL")
    async with (
        Environment(folder, smtp_port=NOBODY) as environment,
        Rows(environment.database, schema="scheduler") as rows,
    ):
        report.machine.versions["postgresql"] = await rows.version()
        stages = TimerStages(environment=environment, rows=rows)

        async def take(what: str, job: Callable[[], Awaitable[Measured]]) -> None:
            say(what)
            measured = await job()
            measured.faults += environment.ended()
            report.take(what, measured)

        if rest:
            async with environment.running(SCHEDULER):
                await take("at rest, no timer waits", partial(stages.at_rest, rest))
        await take(f"{pending:,} timers to rows", partial(stages.many_wait, pending))
        if rest:
            await take(f"at rest, {pending:,} timers wait", partial(stages.at_rest, rest))
        await take(f"{due:,} timers due in one second", partial(stages.due_in_one_second, due))
        say("ending")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pending", type=int, default=1_000_000, metavar="N", help="timers that wait")
    parser.add_argument("--due", type=int, default=20_000, metavar="N", help="timers due in one second")
    parser.add_argument(
        "--rest",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for which rest is measured; 0 leaves it out",
    )
    given, _ = parser.parse_known_args()
    sys.exit(run(partial(measure, pending=given.pending, due=given.due, rest=given.rest), parser))
