"""All services together: throughput from producer to ledger row, memory at that rate, and latency to the hand-off."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

import loading
from environment import Environment
from figures import Figure, Measured, Stretch, difference, percentile, reordered, throughput
from hops import Hops
from kafka_load import KafkaOrder, who
from loading import Load, Loaded
from processor_time import Meter, pss_mb
from rows import Rows, rows_of
from shapes import Shape
from sink import Sink
from stages import BATCH, BATCH_CONNECTIONS
from tenant import notification
from tocsin.contracts.vocabulary import Lane

SERVICES = ("ingest", "router", "dispatch-email", "ledger")
WINDOW = 2_000
"""Messages between producer and hand-off at most: the closed loop is closed over the whole path."""
WARM_MESSAGES = 3_000
MESSAGES, SECONDS = 24_000, 10.0
SINGLE_IN_FLIGHT, BATCHES_IN_FLIGHT = 64, 4
"""Of a producer that writes to Kafka itself."""
CAMPAIGN_REQUEST = 1_000  # recipients
CAMPAIGN_SECONDS = 120.0
PATIENCE = 20.0  # seconds without progress after which what is under way is given up
LATENCY_SECONDS = 8.0
SETTLING_SECONDS = 2.0
"""The first part of an open loop, which is sent and checked but not measured."""
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
MEMORY_EVERY = 1.0  # seconds
MEASURED_LANE = Lane.TRANSACTIONAL

Sending = Callable[[str, int], Coroutine[Any, Any, Loaded]]
"""Sends so many messages whose ids begin with a prefix, in a closed loop."""


class WholePath:
    """With all services running."""

    def __init__(
        self, *, environment: Environment, sink: Sink, rows: Rows, warm_up: Sequence[int] = (WARM_MESSAGES,)
    ) -> None:
        self._warm_up = warm_up
        self._environment = environment
        self._sink = sink
        self._rows = rows

    async def at_rest(self) -> Measured:
        """The memory of each service before it has done anything."""
        pids = self._environment.pids
        sizes = {f"memory of {name} at rest": pss_mb(pids[name]) for name in SERVICES}
        return Measured(
            figures=[Figure(name=name, value=size, unit="MB", better="less") for name, size in sizes.items()]
        )

    async def single(self) -> Measured:
        """An event a request over HTTP, and the memory of each service meanwhile."""
        faults = await self._warm()
        weighing = asyncio.create_task(self._memory())
        measured = await self._path(
            "whole path: HTTP to sink and ledger", "whole-", self._over_http(), MESSAGES, target="whole"
        )
        weighing.cancel()
        measured.figures += self._weights
        measured.faults += faults
        return measured

    async def batches(self) -> Measured:
        """A hundred events a request."""
        sending = self._over_http(shape=Shape.BATCH, size=BATCH, connections=BATCH_CONNECTIONS)
        return await self._path("whole path: HTTP in batches of 100", "whole-batch-", sending, MESSAGES)

    async def from_kafka(self) -> Measured:
        """Producers that write one event at a time, each waiting for its acknowledgement."""
        sending = self._over_kafka(size=1, in_flight=SINGLE_IN_FLIGHT)
        return await self._path("whole path: Kafka to sink and ledger", "kafka-", sending, MESSAGES)

    async def from_kafka_batches(self) -> Measured:
        """Producers that write a hundred events at a time."""
        sending = self._over_kafka(size=BATCH, in_flight=BATCHES_IN_FLIGHT)
        return await self._path("whole path: Kafka in batches of 100", "kafka-batch-", sending, MESSAGES)

    async def campaign(self, recipients: int) -> Measured:
        """One event for a list of people whom nobody knows, in requests of a thousand."""
        load = Load(
            lane=Lane.BULK,
            count=recipients,
            shape=Shape.CAMPAIGN,
            size=CAMPAIGN_REQUEST,
            seconds=CAMPAIGN_SECONDS,
        )
        return await self._path(
            f"campaign: {recipients:,} inline recipients to sink and ledger",
            "campaign-",
            lambda prefix, _: loading.send(self._environment, prefix, load),
            recipients,
            target="campaign",
        )

    async def latency(
        self,
        name: str,
        lane: Lane,
        rate: float,
        *,
        targets: tuple[str, ...] = (),
        cpu_target: str | None = None,
    ) -> Measured:
        """From the planned moment of the request to the mail's last byte at the sink; `targets` are those of the percentiles, in order."""
        began, before = time.time(), await self._rows.position()
        hops = Hops(self._environment.kafka, lane)
        await hops.begin()
        prefix = f"{name.replace(' ', '-').replace('/', '-')}-"
        load = Load(lane=lane, count=int(rate * LATENCY_SECONDS), rate=rate)
        with Meter(self._environment.pids | {"sink": self._sink.pid}) as meter:
            loaded = await loading.send(self._environment, prefix, load)
            arrived, _, faults = await self._ended(prefix, loaded, began, before)
        measured_from = min(loaded.planned) + SETTLING_SECONDS
        planned = {
            notification: at
            for notification, at in zip(loaded.ids, loaded.planned, strict=True)
            if at >= measured_from
        }
        waits = [
            (arrived[notification] - at) * 1000
            for notification, at in planned.items()
            if notification in arrived
        ]
        if not waits:
            return Measured(faults=[*faults, f"{prefix}: nothing arrived"])
        figures = [
            Figure(name=f"latency {name}: {word}", value=percentile(waits, share), unit="ms", better="less")
            for word, share in PERCENTILES.items()
        ]
        for figure, target in zip(figures, targets, strict=False):
            figure.target = target
        over = Stretch(min(loaded.planned), max(loaded.planned), len(loaded.ids))
        used = throughput(f"latency {name}: rate", over, meter, load_seconds=loaded.cpu_seconds)
        used.more = await hops.medians(planned, arrived) | {"longest, ms": max(waits)}
        figures.append(used)
        if cpu_target is not None:
            spent = sum(used.cpu_us.values()) / 1000
            figures.append(
                Figure(name=f"CPU a message {name}", value=spent, unit="ms", target=cpu_target, better="less")
            )
        return Measured(figures=figures, faults=faults)

    async def steady(self, lane: Lane, rate: float, seconds: float) -> Measured:
        """The same load for so long without a figure: a broker that compiled its code under a backlog compiles again for small batches."""
        began, before, prefix = time.time(), await self._rows.position(), f"steady-{rate:g}-"
        loaded = await loading.send(
            self._environment, prefix, Load(lane=lane, count=int(rate * seconds), rate=rate)
        )
        return Measured(faults=(await self._ended(prefix, loaded, began, before))[-1])

    async def _warm(self) -> list[str]:
        """Code and connections; what is wrong with the messages."""
        faults = []
        for number, messages in enumerate(self._warm_up):
            began, before, prefix = time.time(), await self._rows.position(), f"warm-whole-{number}-"
            loaded = await self._over_http()(prefix, messages)
            faults += (await self._ended(prefix, loaded, began, before))[-1]
        return faults

    def _over_http(
        self, *, shape: Shape = Shape.SINGLE, size: int = 1, connections: int = loading.CONNECTIONS
    ) -> Sending:
        load = Load(
            lane=MEASURED_LANE,
            count=0,
            shape=shape,
            size=size,
            connections=connections,
            seconds=SECONDS,
            sink_port=self._sink.control_port,
            window=WINDOW,
        )

        async def send(prefix: str, count: int) -> Loaded:
            return await loading.send(self._environment, prefix, msgspec.structs.replace(load, count=count))

        return send

    def _over_kafka(self, *, size: int, in_flight: int) -> Sending:
        async def send(prefix: str, count: int) -> Loaded:
            order = KafkaOrder(
                bootstrap_servers=self._environment.kafka.bootstrap_servers,
                prefix=prefix,
                lane=MEASURED_LANE,
                count=count,
                size=size,
                in_flight=in_flight,
                seconds=SECONDS,
                sink_port=self._sink.control_port,
                window=WINDOW,
            )
            result = await loading.generate("kafka_load.py", order, self._environment.folder / prefix)
            recipients = [who(number) for number in range(len(result.planned))]
            return Loaded(
                ids=[
                    notification(f"{prefix}{number}", recipient, MEASURED_LANE)
                    for number, recipient in enumerate(recipients)
                ],
                recipients=recipients,
                planned=result.planned,
                answered=result.answered,
                cpu_seconds=result.cpu_seconds,
                faults=[],
            )

        return send

    async def _path(
        self, name: str, prefix: str, sending: Sending, count: int, *, target: str | None = None
    ) -> Measured:
        """From the first message to the last row in the ledger."""
        began, before = time.time(), await self._rows.position()
        with Meter(self._environment.pids | {"sink": self._sink.pid}) as meter:
            loaded = await sending(prefix, count)
            arrived, last_row, faults = await self._ended(prefix, loaded, began, before)
        over = Stretch(min(loaded.planned), last_row, len(loaded.ids))
        figure = throughput(name, over, meter, target=target, load_seconds=loaded.cpu_seconds)
        handed_over = max(arrived.values(), default=last_row)
        figure.more = {"to the sink alone, messages/s": over.messages / (handed_over - over.start)}
        return Measured(figures=[figure], faults=faults)

    async def _ended(
        self, prefix: str, loaded: Loaded, began: float, before: int
    ) -> tuple[dict[str, float], float, list[str]]:
        """Once every mail is caught and every row written: when each mail came, the last row's moment, and what is wrong."""
        wanted = rows_of(loaded.ids)
        marks = await self._rows.progress(before, wanted=len(wanted), patience=PATIENCE)
        await self._sink.wait_for(len(loaded.ids), patience=PATIENCE)
        caught = await self._sink.take()
        faults = difference(f"{prefix}: mails", loaded.ids, caught.ids)
        faults += reordered(f"{prefix}: mails", loaded.ordered, caught.ids)
        faults += difference(f"{prefix}: rows in the ledger", wanted, await self._rows.statuses(began))
        arrived = dict(zip(caught.ids, caught.times, strict=True))
        return arrived, marks[-1][0], loaded.faults + faults

    async def _memory(self) -> None:
        """Keeps the largest proportional set size of each service until cancelled."""
        largest = dict.fromkeys(SERVICES, 0.0)
        while True:
            for name in SERVICES:
                largest[name] = max(largest[name], pss_mb(self._environment.pids[name]))
            self._weights = [
                Figure(
                    name=f"memory of {name} at full rate",
                    value=size,
                    unit="MB",
                    target="memory",
                    better="less",
                )
                for name, size in largest.items()
            ]
            await asyncio.sleep(MEMORY_EVERY)
