"""How fast is it, and what is the time made of? Two minutes on a real Kafka and a real PostgreSQL, all on this machine.

`python bench/quick.py [--runs N] [--json FILE]` measures each stage alone from a prepared backlog, then the whole path, its memory and
its latency. It sends a known set of messages and ends with exit code 1, saying which, when one is lost, doubled or out of order; a target
that is missed is only said. Each part is written as it comes: when one fails, what was measured before it is kept, and the part is named.
The JSON goes to `bench/results/` unless FILE is given.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from place import opened
from report import Report
from rows import Rows
from running import Steps, run
from stages import Stages
from timer_stages import TimerStages
from tocsin.contracts.vocabulary import Lane
from whole_path import SERVICES, WholePath

TIMERS = 60_000


async def measure(folder: Path, report: Report, say: Steps) -> None:
    """Everything, in order, into the report; raises what makes it impossible to go on."""
    async with opened(folder, report, say) as place:
        environment, rows = place.environment, place.rows
        alone = Stages(place)
        await place.take("ingest alone", alone.ingest)
        await place.take("router alone", alone.router)
        await place.take("router alone, fan-out", alone.fan_out)
        await place.take("dispatch-email alone", alone.dispatch)
        await place.take("ledger alone", alone.ledger)
        say("starting all services")
        async with environment.running(*SERVICES):
            whole = WholePath(environment=environment, sink=place.sink, rows=rows)
            await place.take("whole path", whole.single)
            slow = partial(whole.latency, "at 100/s, critical", Lane.CRITICAL, 100)
            await place.take("latency at 100/s", slow)
            fast = partial(whole.latency, "at 1,000/s", Lane.TRANSACTIONAL, 1_000)
            await place.take("latency at 1,000/s", fast)
        async with Rows(environment.database, schema="scheduler") as timer_rows:
            timers = TimerStages(environment=environment, rows=timer_rows)
            await place.take("scheduler alone", partial(timers.set_and_fired, TIMERS))
        await place.take("ingest alone, batches", alone.ingest_batches)
        say("ending")


if __name__ == "__main__":
    sys.exit(run(measure, argparse.ArgumentParser(description=__doc__)))
