"""Lanes: how long critical messages take while bulk drains a backlog, and what that costs bulk."""

import asyncio
import time

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


class LanesApart:
    """With all services running."""

    def __init__(self, *, environment: Environment, sink: Sink, rows: Rows) -> None:
        self._environment = environment
        self._sink = sink
        self._rows = rows
        self._topics = Topics(environment.kafka.topic_prefix)

    async def measure(self, bulk_rate: float) -> Measured:
        """`bulk_rate` is what dispatch-email does alone: the backlog is made for that."""
        began, before = time.time(), await self._rows.position()
        idle = await self._critical("lanes-idle-")
        await self._sink.wait_for(len(idle.ids), patience=PATIENCE)
        backlog = await self._backlog(bulk_rate * (STARTING_SECONDS + ALONE_SECONDS + CRITICAL_SECONDS + 3))
        self._environment.launch(Channel.EMAIL.dispatcher)
        await self._sink.reaches(len(idle.ids) + 1, patience=PATIENCE)
        drains = time.time() + STARTING_SECONDS
        await asyncio.sleep(STARTING_SECONDS + ALONE_SECONDS)
        beside = await self._critical("lanes-beside-")
        ended = time.time()
        everything = idle.ids + backlog + beside.ids
        await self._sink.wait_for(len(everything), patience=PATIENCE)
        await self._rows.progress(before, wanted=2 * len(everything), patience=PATIENCE)
        caught = await self._sink.take()
        arrived = dict(zip(caught.ids, caught.times, strict=True))
        bulk = sorted(arrived[one] for one in backlog if one in arrived)
        faults = [*idle.faults, *beside.faults, *await self._faults(everything, caught.ids, began)]
        if not bulk or bulk[-1] < ended:
            faults.append("lanes: the backlog was done before the critical messages were")
        return Measured(figures=self._figures(idle, beside, arrived, bulk, drains), faults=faults)

    async def _critical(self, prefix: str) -> Loaded:
        load = Load(lane=Lane.CRITICAL, count=int(CRITICAL_RATE * CRITICAL_SECONDS), rate=CRITICAL_RATE)
        return await loading.send(self._environment, prefix, load)

    async def _backlog(self, size: float) -> list[str]:
        """Jobs on the bulk lane that nobody takes yet, each decided and in the ledger; their notifications."""
        await self._environment.stop(Channel.EMAIL.dispatcher)
        lane, people = Lane.BULK, tenant.RECIPIENTS
        events = [f"lanes-backlog-{number}" for number in range(int(size / len(people)) + 1)]
        topic = self._topics.jobs(Channel.EMAIL, lane)
        stood, position = await logs.length(self._environment.kafka, topic), await self._rows.position()
        records = [tenant.record(event, people, lane=lane, topics=self._topics) for event in events]
        await logs.write(self._environment.kafka, records)
        count = len(events) * len(people)
        await logs.wait_quiet(self._environment.kafka, topic, least=stood + count, patience=ROUTER_PATIENCE)
        await self._rows.progress(position, wanted=count, patience=PATIENCE)
        return [tenant.notification(event, who, lane) for event in events for who in people]

    def _figures(
        self, idle: Loaded, beside: Loaded, arrived: dict[str, float], bulk: list[float], drains: float
    ) -> list[Figure]:
        at_idle, meanwhile = (_p99(loaded, arrived) for loaded in (idle, beside))
        first, last = min(beside.planned), max(beside.planned)
        alone = sum(drains <= moment < drains + ALONE_SECONDS for moment in bulk) / ALONE_SECONDS
        shared = sum(first <= moment < last for moment in bulk) / (last - first)
        return [
            Figure(name="lanes: critical p99, idle", value=at_idle, unit="ms", better="less"),
            Figure(name="lanes: critical p99 while bulk drains", value=meanwhile, unit="ms", better="less"),
            Figure(
                name="lanes: critical p99 while bulk drains, against idle",
                value=meanwhile / at_idle,
                unit="times",
                target="lanes",
                better="less",
            ),
            Figure(name="lanes: bulk alone", value=alone, unit="mails/s"),
            Figure(name="lanes: bulk beside critical", value=shared, unit="mails/s"),
            Figure(
                name="lanes: bulk's rate beside critical, of its rate alone",
                value=100 * shared / alone,
                unit="%",
                target="bulk",
            ),
        ]

    async def _faults(self, wanted: list[str], caught: list[str], began: float) -> list[str]:
        faults = difference("lanes: mails", wanted, caught)
        for lane in (Lane.CRITICAL, Lane.BULK):
            jobs = await logs.read(self._environment.kafka, self._topics.jobs(Channel.EMAIL, lane))
            faults += reordered(f"lanes: mails on {lane}", [logs.job(record) for record in jobs], caught)
        return faults + difference(
            "lanes: rows in the ledger", rows_of(wanted), await self._rows.statuses(began)
        )


def _p99(loaded: Loaded, arrived: dict[str, float]) -> float:
    """Milliseconds from planned to handed over, of what was planned after the first moments."""
    measured_from = min(loaded.planned) + SETTLING_SECONDS
    waits = [
        arrived[one] - at
        for one, at in zip(loaded.ids, loaded.planned, strict=True)
        if at >= measured_from and one in arrived
    ]
    return percentile(waits, 0.99) * 1000
