"""Each stage alone: what one writes is the next one's backlog, and every message of the known set is looked for after each."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

import loading
import logs
import tenant
from figures import Measured, Stretch, difference, progress_stretch, reordered, stretch, throughput
from loading import Load
from place import Place
from processor_time import Meter
from rows import rows_of
from shapes import Shape
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.log_ends import log_ends

PATIENCE = 25.0  # seconds without progress, start of the process included, after which a stage is given up
WARM_REQUESTS, WARM_BATCHES = 1_000, 50
BATCH = 100
BATCH_CONNECTIONS = 8


class Sizes(msgspec.Struct, kw_only=True, frozen=True):
    """How many messages each stage is given."""

    ingest: int = 12_000
    batches: int = 80_000
    direct: int = 10_000
    everywhere: int = 6_000
    fan_out_events: int = 10

    def scaled(self, factor: float) -> "Sizes":
        """All of them so much larger or smaller, in whole requests."""
        return Sizes(
            ingest=int(self.ingest * factor),
            batches=int(self.batches * factor) // BATCH * BATCH,
            direct=int(self.direct * factor),
            everywhere=int(self.everywhere * factor),
            fan_out_events=max(1, int(self.fan_out_events * factor)),
        )


class Stages:
    """Any of ingest, router, router_three, fan_out; then dispatch, and dispatch_sms and dispatch_push after router_three; then ledger. What
    `ingest_batches` stores is nobody's backlog: it comes last. The place's `sink` takes mails, its `http_sink` everything else. Routers and dispatchers are so many
    `instances`; `people` are whom the router's backlog is for."""

    def __init__(
        self,
        place: Place,
        *,
        sizes: Sizes | None = None,
        people: Sequence[str] = tenant.RECIPIENTS,
        instances: int = 1,
    ) -> None:
        self._environment = place.environment
        self._sinks = {
            Channel.EMAIL: place.sink,
            Channel.SMS: place.http_sink,
            Channel.PUSH: place.http_sink,
        }
        self._rows = place.rows
        self._sizes = sizes or Sizes()
        self._people = people
        self._instances = instances
        self._topics = Topics(place.environment.kafka.topic_prefix)
        self._began = time.time()
        self._known: dict[Lane, list[str]] = {lane: [] for lane in Lane}
        """The notifications of a lane that its jobs are to be about."""
        self._asked: list[Channel] = []
        """Channels whose dispatcher has run."""

    async def ingest(self) -> Measured:
        """HTTP request to acknowledged event."""
        load = Load(lane=Lane.TRANSACTIONAL, count=self._sizes.ingest)
        measured, ids = await self._taken("ingest: HTTP to acknowledged", load, target="ingest")
        self._known[load.lane] += ids
        return measured

    async def ingest_batches(self) -> Measured:
        """The same with a hundred events a request."""
        load = Load(
            lane=Lane.TRANSACTIONAL,
            count=self._sizes.batches,
            shape=Shape.BATCH,
            size=BATCH,
            connections=BATCH_CONNECTIONS,
        )
        measured, _ = await self._taken(
            f"ingest: batches of {BATCH} to acknowledged", load, target="ingest-batch"
        )
        return measured

    async def router(self) -> Measured:
        """Events with one recipient each, in that recipient's partition, to jobs; and what ingest stored."""
        lane = Lane.TRANSACTIONAL
        await self._write(lane, "direct-", self._people, self._sizes.direct)
        return await self._routed("router: events to jobs", lane, target="router")

    async def router_three(self) -> Measured:
        """Events that become a mail, an SMS and a push message each."""
        lane = Lane.CRITICAL
        await self._write(lane, "everywhere-", tenant.EVERYWHERE, self._sizes.everywhere, everywhere=True)
        return await self._routed(
            "router: events to three jobs each",
            lane,
            target="router-three",
            channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH),
        )

    async def fan_out(self) -> Measured:
        """Events with a thousand recipients each to intents, and those to jobs."""
        lane, events = Lane.BULK, [f"fan-out-{number}" for number in range(self._sizes.fan_out_events)]
        records = [
            tenant.record(event, tenant.RECIPIENTS, lane=lane, topics=self._topics) for event in events
        ]
        await logs.write(self._environment.kafka, records)
        self._known[lane] += [
            tenant.notification(event, who, lane) for event in events for who in tenant.RECIPIENTS
        ]
        return await self._routed("router: fan-out to jobs", lane, unit="messages/s")

    async def dispatch(self) -> Measured:
        """Jobs to mails handed over and recorded."""
        wanted = [notification for ids in self._known.values() for notification in ids]
        return await self._handed_over(
            Channel.EMAIL, "dispatch-email: jobs to the sink", wanted, unit="mails/s", target="email"
        )

    async def dispatch_sms(self) -> Measured:
        """The same over HTTP."""
        wanted = self._known[Lane.CRITICAL]
        return await self._handed_over(Channel.SMS, "dispatch-sms: jobs to the sink", wanted)

    async def dispatch_push(self) -> Measured:
        """The same over HTTP, to one device each."""
        wanted = self._known[Lane.CRITICAL]
        return await self._handed_over(Channel.PUSH, "dispatch-push: jobs to the sink", wanted)

    async def ledger(self) -> Measured:
        """Statuses to rows."""
        wanted = rows_of(self._known[Lane.TRANSACTIONAL] + self._known[Lane.BULK])
        wanted += rows_of(self._known[Lane.CRITICAL], self._asked)
        self._environment.launch("ledger")
        with Meter(self._environment.pids) as meter:
            watching = asyncio.create_task(self._rows.progress(0, wanted=len(wanted), patience=PATIENCE))
            await self._environment.ready("ledger")
            marks = await watching
        await self._environment.stop("ledger")
        rows = await self._rows.count()
        share = rows / max(1, marks[-1][1])  # transaction markers take offsets and become no rows
        over = progress_stretch([(moment, round(done * share)) for moment, done in marks])
        figure = throughput("ledger: statuses to rows", over, meter, unit="rows/s", target="ledger")
        return Measured(
            figures=[figure],
            faults=difference("rows in the ledger", wanted, await self._rows.statuses(self._began)),
        )

    async def _taken(self, name: str, load: Load, *, target: str) -> tuple[Measured, list[str]]:
        """And the notifications that what ingest stored is about."""
        warm = msgspec.structs.replace(
            load, count=WARM_REQUESTS if load.size == 1 else WARM_BATCHES * load.size
        )
        topic, prefix = self._topics.events(load.lane), f"ingest-{load.shape}-"
        start = await log_ends(self._environment.kafka, topic)
        async with self._environment.running("ingest"):
            warmed = await loading.send(self._environment, f"warm-{prefix}", warm)
            with Meter(self._environment.pids) as meter:
                loaded = await loading.send(self._environment, prefix, load)
        over = Stretch(min(loaded.planned), max(loaded.answered), len(loaded.ids))
        sent = warmed.ids + loaded.ids
        stored = await logs.read(self._environment.kafka, topic, start=start)
        ids = [notification for event in stored for _, notification in logs.messages(event)]
        faults = difference("events stored", sent, ids) + reordered("events stored", loaded.ordered, ids)
        figure = throughput(
            name, over, meter, unit="events/s", target=target, load_seconds=loaded.cpu_seconds
        )
        return Measured(figures=[figure], faults=warmed.faults + loaded.faults + faults), sent

    async def _write(
        self, lane: Lane, prefix: str, recipients: Sequence[str], count: int, *, everywhere: bool = False
    ) -> None:
        """A backlog of events with one recipient each."""
        events = {f"{prefix}{number}": recipients[number % len(recipients)] for number in range(count)}
        records = [
            tenant.record(event, [who], lane=lane, topics=self._topics, everywhere=everywhere)
            for event, who in events.items()
        ]
        await logs.write(self._environment.kafka, records)
        self._known[lane] += [
            tenant.notification(event, who, lane, everywhere=everywhere) for event, who in events.items()
        ]

    async def _routed(
        self,
        name: str,
        lane: Lane,
        *,
        unit: str = "events/s",
        target: str | None = None,
        channels: Sequence[Channel] = (Channel.EMAIL,),
    ) -> Measured:
        wanted = self._known[lane]
        topics = {channel: self._topics.jobs(channel, lane) for channel in channels}
        routers = self._environment.instances("router", self._instances)
        for router in routers:
            self._environment.launch(router, "worker", LANES=lane)
        with Meter(self._environment.pids) as meter:
            await self._environment.ready(*routers)
            for topic in topics.values():
                await logs.wait_quiet(self._environment.kafka, topic, least=len(wanted), patience=PATIENCE)
        await self._environment.stop(*routers)
        jobs = {channel: await logs.read(self._environment.kafka, topic) for channel, topic in topics.items()}
        over = stretch(job.timestamp_ms / 1000 for job in jobs[Channel.EMAIL])
        figure = throughput(name, over, meter, unit=unit, target=target)
        events = await logs.read(self._environment.kafka, self._topics.events(lane))
        sent = [found[0] for event in events if len(found := logs.messages(event)) == 1]
        faults: list[str] = []
        for channel, records in jobs.items():
            ids = [logs.notified(record) for record in records]
            what = f"jobs.{channel} on {lane}"
            faults += difference(what, wanted, ids) + reordered(what, sent, ids)
        return Measured(figures=[figure], faults=faults)

    async def _handed_over(
        self,
        channel: Channel,
        name: str,
        wanted: Sequence[str],
        *,
        unit: str = "messages/s",
        target: str | None = None,
    ) -> Measured:
        sink = self._sinks[channel]
        self._asked.append(channel)
        dispatchers = self._environment.instances(channel.dispatcher, self._instances)
        for dispatcher in dispatchers:
            self._environment.launch(dispatcher)
        with Meter(self._environment.pids | {"sink": sink.pid}) as meter:
            await self._environment.ready(*dispatchers)
            await sink.wait_for(len(wanted), patience=PATIENCE)
        await self._environment.stop(*dispatchers)
        caught = await sink.take()
        figures = [throughput(name, stretch(caught.times), meter, unit=unit, target=target)]
        faults = difference(f"{channel}: handed over", wanted, caught.ids)
        for lane in Lane:
            jobs = await logs.read(self._environment.kafka, self._topics.jobs(channel, lane))
            sent = [logs.job(record) for record in jobs]
            faults += reordered(f"{channel}: handed over on {lane}", sent, caught.ids)
        return Measured(figures=figures, faults=faults)
