"""The scheduler: timers that are set and fire, what those cost that wait, and how long a second with many of them takes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import logs
import timer_load
from environment import Environment
from figures import Figure, Measured, Stretch, difference, progress_stretch, throughput
from processor_time import Meter
from rows import Rows
from stages import PATIENCE
from tocsin.contracts.topics import Topics

SCHEDULER = "scheduler"
CHUNK = 20_000
FAR = timedelta(days=30)
"""From now to the moment at which the first timer is due that only waits."""
LEAD_SECONDS = 30.0
"""From now to the second in which many timers are due: rows are made of them before."""
SETTLING_SECONDS = 20.0
"""After the last row: what it left for the database to do is done before rest is measured."""
CORE_GOAL = 1.0
OUT_GOAL = 2.0


class TimerStages:
    """`rows` looks at the scheduler's schema. No other service may run: nobody is to read the intents."""

    def __init__(self, *, environment: Environment, rows: Rows) -> None:
        self._environment = environment
        self._rows = rows
        self._topics = Topics(environment.kafka.topic_prefix)
        self._intents = self._topics.intents(timer_load.LANE)
        self._rest_without: float | None = None
        """% of a core that scheduler and database took without a timer."""

    async def set_and_fired(self, count: int) -> Measured:
        """A backlog of timers that are due already: rows are made of all of them, then they fire."""
        wanted = await self._write("due-", count, first_due=datetime.now(UTC), within=timedelta())
        before = await self._rows.position()
        watching = asyncio.create_task(self._visible(count))
        self._environment.launch(SCHEDULER, LANES=timer_load.LANE)
        with Meter(self._environment.pids) as meter:
            marks = await self._rows.progress(before, wanted=2 * count, patience=PATIENCE)
            fired = await watching
        await self._environment.stop(SCHEDULER)
        as_set = [mark for mark in marks if mark[1] <= before + count]
        figures = [
            throughput("scheduler: timers to rows", progress_stretch(as_set), meter, unit="timers/s"),
            throughput("scheduler: due timers to intents", progress_stretch(fired), meter, unit="timers/s"),
        ]
        return Measured(figures=figures, faults=await self._faults("timers fired", wanted))

    async def at_rest(self, seconds: float) -> Measured:
        """With as many timers as there are, none of which is due."""
        pending = await self._rows.timers()
        await self._rows.settle_timers()
        await asyncio.sleep(SETTLING_SECONDS)
        with Meter(self._environment.pids) as meter:
            await asyncio.sleep(seconds)
        start, end = meter.span
        used = {name: 100 * seconds / (end - start) for name, seconds in meter.between(start, end).items()}
        others = meter.machine_between(start, end) / (end - start) - sum(used.values()) / 100
        rest = used[SCHEDULER] + used["database"]
        figure = Figure(
            name=f"scheduler at rest, {pending:,} timers wait: with the database",
            value=rest,
            unit="% of a core",
            better="less",
            seconds=end - start,
            other_cores=max(0.0, others),
            more={f"{name}, % of a core": share for name, share in used.items()},
        )
        figures = [figure]
        if not pending:
            self._rest_without = rest
        elif self._rest_without is not None:
            more = rest - self._rest_without
            figures.append(
                Figure(
                    name=f"what {pending:,} timers that wait cost",
                    value=more,
                    unit="% of a core",
                    goal=CORE_GOAL,
                    better="less",
                )
            )
        return Measured(figures=figures)

    async def many_wait(self, count: int) -> Measured:
        """A backlog of timers that are due in a month becomes rows; the scheduler of all lanes runs afterwards."""
        await self._write("far-", count, first_due=datetime.now(UTC) + FAR, within=FAR)
        before = await self._rows.position()
        self._environment.launch(SCHEDULER)
        with Meter(self._environment.pids) as meter:
            marks = await self._rows.progress(before, wanted=count, patience=PATIENCE)
        await self._environment.ready(SCHEDULER)
        figure = throughput(
            f"scheduler: {count:,} timers to rows", progress_stretch(marks), meter, unit="timers/s"
        )
        kept = await self._rows.timers()
        return Measured(
            figures=[figure], faults=[] if kept == count else [f"rows of timers: {kept} of {count}"]
        )

    async def due_in_one_second(self, count: int) -> Measured:
        """So many more, at even distances within one second; counted from its beginning."""
        first_due, second = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS), timedelta(seconds=1)
        wanted = await self._write("soon-", count, first_due=first_due, within=second)
        await self._rows.until_timers(count, due_before=first_due + second, seconds=LEAD_SECONDS)
        begins = first_due.timestamp()
        late = time.time() >= begins
        await asyncio.sleep(max(0.0, begins - time.time() - 1))
        with Meter(self._environment.pids) as meter:
            marks = await self._visible(count)
            await self._rows.until_timers(0, due_before=first_due + second, seconds=PATIENCE)
            deleted = time.time()
        last = marks[-1][0]
        figure = throughput(
            f"scheduler: {count:,} due in one second", Stretch(begins, last, count), meter, unit="timers/s"
        )
        figure.value, figure.unit, figure.better, figure.goal = last - begins, "s", "less", OUT_GOAL
        figure.more = {"their rows deleted after, s": deleted - begins}
        faults = ["timers due in one second: their rows were not all there before"] if late else []
        return Measured(figures=[figure], faults=faults + await self._faults("timers fired", wanted))

    async def _write(self, prefix: str, count: int, *, first_due: datetime, within: timedelta) -> list[str]:
        """The notifications whose timers these are."""
        made = timer_load.timers(prefix, count, first_due=first_due, within=within, topics=self._topics)
        wanted: list[str] = []
        while chunk := list(islice(made, CHUNK)):
            await logs.write(self._environment.kafka, [record for _, record in chunk])
            wanted += [notification for notification, _ in chunk]
        return wanted

    async def _visible(self, count: int) -> list[tuple[float, int]]:
        """Marks (moment, intents that a reader of committed records sees), one a move."""
        return await logs.visible(self._environment.kafka, self._intents, least=count, patience=PATIENCE)

    async def _faults(self, what: str, wanted: Sequence[str]) -> list[str]:
        """What is wrong with the intents of these notifications."""
        known = set(wanted)
        intents = map(logs.notified, await logs.read(self._environment.kafka, self._intents))
        return difference(what, known, (notification for notification in intents if notification in known))
