"""All services together: throughput from request to ledger row, memory at that rate, and latency to the hand-off."""

import asyncio
import time

import loading
from environment import Environment
from figures import Figure, Stretch, difference, percentile, throughput
from hops import Hops
from loading import Loaded
from processor_time import Meter, pss_mb
from rows import Rows
from sink import Sink
from smtp_sink import Caught
from stages import STATUSES_OF_A_MESSAGE, Measured
from tocsin.contracts.vocabulary import Lane

SERVICES = ("ingest", "router", "dispatch-email", "ledger")
WINDOW = 2_000
"""Messages between request and hand-off at most: the closed loop is closed over the whole path."""
WARM_MESSAGES = 3_000
MESSAGES, SECONDS = 24_000, 10.0
PATIENCE = 20.0  # seconds without progress after which what is under way is given up
LATENCY_SECONDS = 8.0
SETTLING_SECONDS = 2.0
"""The first part of an open loop, which is sent and checked but not measured."""
MEMORY_GOAL_MB = 200.0
MEMORY_EVERY = 1.0  # seconds


class WholePath:
    """With all services running."""

    def __init__(self, *, environment: Environment, sink: Sink, rows: Rows) -> None:
        self._environment = environment
        self._sink = sink
        self._rows = rows

    async def throughput(self) -> Measured:
        """A closed loop over the whole path, and the memory of each service meanwhile."""
        _, _, _, faults = await self._closed("warm-whole-", WARM_MESSAGES)
        with Meter(self._environment.pids | {"sink": self._sink.pid}) as meter:
            memory = asyncio.create_task(self._memory())
            over, handed_over, load_cpu, more = await self._closed("whole-", MESSAGES)
            memory.cancel()
        figure = throughput(
            "whole path: HTTP to sink and ledger", over, meter, goal=2_000, load_seconds=load_cpu
        )
        figure.more = {"to the sink alone, messages/s": over.messages / (handed_over - over.start)}
        return Measured(figures=[figure, *self._weights], faults=faults + more)

    async def latency(self, lane: Lane, rate: float, *, goal_ms: float | None = None) -> Measured:
        """From the planned moment of the request to the mail's last byte at the sink."""
        began, before = time.time(), await self._rows.position()
        hops = Hops(self._environment.kafka, lane)
        await hops.begin()
        prefix = f"{lane}-{rate:.0f}-"
        with Meter(self._environment.pids | {"sink": self._sink.pid}) as meter:
            loaded = await loading.open_loop(
                self._environment, prefix, lane=lane, rate=rate, seconds=LATENCY_SECONDS
            )
            caught, _, faults = await self._ended(prefix, loaded, began, before)
        measured_from = min(loaded.result.planned) + SETTLING_SECONDS
        planned = {
            one: at for one, at in zip(loaded.ids, loaded.result.planned, strict=True) if at >= measured_from
        }
        arrived = dict(zip(caught.ids, caught.times, strict=True))
        waits = [(arrived[one] - at) * 1000 for one, at in planned.items() if one in arrived]
        if not waits:
            return Measured(faults=[*faults, f"{prefix}: nothing arrived"])
        name = f"latency at {rate:,.0f}/s, {lane}"
        over = Stretch(min(loaded.result.planned), max(loaded.result.planned), len(loaded.ids))
        median = throughput(f"{name}: p50", over, meter, load_seconds=loaded.result.cpu_seconds)
        median.value, median.unit, median.better = percentile(waits, 0.5), "ms", "less"
        median.goal = goal_ms
        median.more = await hops.medians(planned, arrived) | {"longest, ms": max(waits)}
        tail = Figure(name=f"{name}: p99", value=percentile(waits, 0.99), unit="ms", better="less")
        return Measured(figures=[median, tail], faults=faults)

    async def _closed(self, prefix: str, count: int) -> tuple[Stretch, float, float, list[str]]:
        """First request to last row, the last hand-off's moment, the load's processor seconds, and faults."""
        began, before = time.time(), await self._rows.position()
        loaded = await loading.closed_loop(
            self._environment,
            prefix,
            lane=Lane.TRANSACTIONAL,
            count=count,
            seconds=SECONDS,
            sink_port=self._sink.control_port,
            window=WINDOW,
        )
        caught, last_row, faults = await self._ended(prefix, loaded, began, before)
        over = Stretch(min(loaded.result.planned), last_row, len(loaded.ids))
        return over, max(caught.times, default=last_row), loaded.result.cpu_seconds, faults

    async def _ended(
        self, prefix: str, loaded: Loaded, began: float, before: int
    ) -> tuple[Caught, float, list[str]]:
        """Once every mail is caught and every row written: the mails, the last row's moment, and whatever is missing or too many."""
        wanted = [f"{one} {status}" for one in loaded.ids for status in STATUSES_OF_A_MESSAGE]
        marks = await self._rows.progress(before, wanted=len(wanted), patience=PATIENCE)
        await self._sink.wait_for(len(loaded.ids), patience=PATIENCE)
        caught = await self._sink.take()
        faults = difference(f"{prefix}: mails", loaded.ids, caught.ids)
        faults += difference(f"{prefix}: rows in the ledger", wanted, await self._rows.statuses(began))
        return caught, marks[-1][0], loaded.faults + faults

    async def _memory(self) -> None:
        """Keeps the largest proportional set size of each service until cancelled."""
        largest = dict.fromkeys(SERVICES, 0.0)
        while True:
            for name in SERVICES:
                largest[name] = max(largest[name], pss_mb(self._environment.pids[name]))
            self._weights = [
                Figure(name=f"memory of {name}", value=size, unit="MB", goal=MEMORY_GOAL_MB, better="less")
                for name, size in largest.items()
            ]
            await asyncio.sleep(MEMORY_EVERY)
