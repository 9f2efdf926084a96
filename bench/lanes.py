"""Lanes: how long critical messages take while bulk drains a backlog, and what that costs bulk."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import loading
import logs
import tenant
from environment import Environment
from figures import Figure, Measured, difference, percentile, reordered
from loading import Load, Loaded
from rows import Rows, rows_of
from sink import Sink
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from whole_path import PATIENCE, SETTLING_SECONDS

CRITICAL_RATE = 100.0
CRITICAL_SECONDS = 10.0
ALONE_SECONDS = 6.0
STARTING_SECONDS = 2.0
"""From the first mail of the backlog to the moment from which its rate counts."""
ROUTER_PATIENCE = 60.0  # seconds without a new job


DISPATCHER = Channel.EMAIL.dispatcher
TOGETHER = {DISPATCHER: tuple(Lane)}
"""Which lanes each process of dispatch-email serves."""
TARGET_OF_UNIT = {"times": "lanes", "%": "bulk"}


class BesideBulk:
    """With all services running."""

    def __init__(self, *, environment: Environment, sink: Sink, rows: Rows) -> None:
        self._environment = environment
        self._sink = sink
        self._rows = rows
        self._topics = Topics(environment.kafka.topic_prefix)

    async def measure(self, bulk_rate: float) -> Measured:
        """`bulk_rate` is what dispatch-email does alone: the backlog is made for that."""
        measured = await self._measure("lanes", bulk_rate, TOGETHER)
        for figure in measured.figures:
            figure.target = TARGET_OF_UNIT.get(figure.unit)
        return measured

    async def measure_apart(self, bulk_rate: float) -> Measured:
        """The same with a process of dispatch-email that serves bulk alone, beside one that serves the others."""
        first, second = self._environment.instances(DISPATCHER, 2)
        served = {first: (Lane.CRITICAL, Lane.TRANSACTIONAL), second: (Lane.BULK,)}
        await self._environment.stop(DISPATCHER)
        try:
            await self._launch(served)
            return await self._measure("lanes apart", bulk_rate, served)
        finally:
            await self._environment.stop(*served)
            await self._launch(TOGETHER)

    async def _measure(self, name: str, bulk_rate: float, served: Mapping[str, Sequence[Lane]]) -> Measured:
        began, before, prefix = time.time(), await self._rows.position(), name.replace(" ", "-")
        idle = await self._critical(f"{prefix}-idle-")
        await self._sink.wait_for(len(idle.ids), patience=PATIENCE)
        await self._environment.stop(*served)
        backlog = await self._backlog(
            prefix, bulk_rate * (STARTING_SECONDS + ALONE_SECONDS + CRITICAL_SECONDS + 3)
        )
        await self._launch(served)
        await self._sink.reaches(len(idle.ids) + 1, patience=PATIENCE)
        drains = time.time() + STARTING_SECONDS
        await asyncio.sleep(STARTING_SECONDS + ALONE_SECONDS)
        beside = await self._critical(f"{prefix}-beside-")
        ended = time.time()
        everything = idle.ids + backlog + beside.ids
        await self._sink.wait_for(len(everything), patience=PATIENCE)
        await self._rows.progress(before, wanted=2 * len(everything), patience=PATIENCE)
        caught = await self._sink.take()
        faults = [*idle.faults, *beside.faults, *await self._faults(name, everything, caught.ids, began)]
        arrived = dict(zip(caught.ids, caught.times, strict=True))
        bulk = sorted(arrived[notification] for notification in backlog if notification in arrived)
        if not bulk or bulk[-1] < ended:
            return Measured(
                faults=[*faults, f"{name}: the backlog was done before the critical messages were"]
            )
        first, last = min(beside.planned), max(beside.planned)
        figures = _figures(
            name,
            waits=(_p99(idle, arrived), _p99(beside, arrived)),
            rates=(_rate(bulk, drains, drains + ALONE_SECONDS), _rate(bulk, first, last)),
        )
        return Measured(figures=figures, faults=faults)

    async def _launch(self, served: Mapping[str, Sequence[Lane]]) -> None:
        for process, lanes in served.items():
            self._environment.launch(process, LANES=",".join(lanes))
        await self._environment.ready(*served)

    async def _critical(self, prefix: str) -> Loaded:
        load = Load(lane=Lane.CRITICAL, count=int(CRITICAL_RATE * CRITICAL_SECONDS), rate=CRITICAL_RATE)
        return await loading.send(self._environment, prefix, load)

    async def _backlog(self, prefix: str, size: float) -> list[str]:
        """Jobs on the bulk lane that nobody takes yet, each decided and in the ledger; their notifications."""
        lane, people = Lane.BULK, tenant.RECIPIENTS
        events = [f"{prefix}-backlog-{number}" for number in range(int(size / len(people)) + 1)]
        topic = self._topics.jobs(Channel.EMAIL, lane)
        stood, position = await logs.length(self._environment.kafka, topic), await self._rows.position()
        records = [tenant.record(event, people, lane=lane, topics=self._topics) for event in events]
        await logs.write(self._environment.kafka, records)
        count = len(events) * len(people)
        await logs.wait_quiet(self._environment.kafka, topic, least=stood + count, patience=ROUTER_PATIENCE)
        await self._rows.progress(position, wanted=count, patience=PATIENCE)
        return [tenant.notification(event, who, lane) for event in events for who in people]

    async def _faults(self, name: str, wanted: list[str], caught: list[str], began: float) -> list[str]:
        faults = difference(f"{name}: mails", wanted, caught)
        for lane in (Lane.CRITICAL, Lane.BULK):
            jobs = await logs.read(self._environment.kafka, self._topics.jobs(Channel.EMAIL, lane))
            faults += reordered(f"{name}: mails on {lane}", [logs.job(record) for record in jobs], caught)
        return faults + difference(
            f"{name}: rows in the ledger", rows_of(wanted), await self._rows.statuses(began)
        )


def _figures(name: str, *, waits: tuple[float, float], rates: tuple[float, float]) -> list[Figure]:
    """From critical's p99 and bulk's rate, each alone and beside the other."""
    at_idle, meanwhile = waits
    alone, shared = rates
    critical, bulk = f"{name}: critical p99", f"{name}: bulk"
    return [
        Figure(name=f"{critical}, idle", value=at_idle, unit="ms", better="less"),
        Figure(name=f"{critical} while bulk drains", value=meanwhile, unit="ms", better="less"),
        Figure(
            name=f"{critical} while bulk drains, against idle",
            value=meanwhile / at_idle,
            unit="times",
            better="less",
        ),
        Figure(name=f"{bulk} alone", value=alone, unit="mails/s"),
        Figure(name=f"{bulk} beside critical", value=shared, unit="mails/s"),
        Figure(
            name=f"{bulk}'s rate beside critical, of its rate alone", value=100 * shared / alone, unit="%"
        ),
    ]


def _rate(moments: list[float], start: float, end: float) -> float:
    return sum(start <= moment < end for moment in moments) / (end - start)


def _p99(loaded: Loaded, arrived: dict[str, float]) -> float:
    """Milliseconds from planned to handed over, of what was planned after the first moments."""
    measured_from = min(loaded.planned) + SETTLING_SECONDS
    waits = [
        arrived[notification] - at
        for notification, at in zip(loaded.ids, loaded.planned, strict=True)
        if at >= measured_from and notification in arrived
    ]
    return percentile(waits, 0.99) * 1000
