"""Each stage alone: what one writes is the next one's backlog, and every message of the known set is looked for after each."""

import asyncio
import time

import msgspec

import loading
import logs
import tenant
from environment import Environment
from figures import Figure, Stretch, difference, progress_stretch, stretch, throughput
from processor_time import Meter
from rows import Rows
from sink import Sink
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.log_ends import log_ends

PATIENCE = 25.0  # seconds without progress, start of the process included, after which a stage is given up
REQUESTS, REQUEST_SECONDS = 12_000, 6.0
WARM_REQUESTS = 1_000
BATCH_EVENTS = 100
BATCHES, WARM_BATCHES = 800, 50
DIRECT_EVENTS = 10_000
FAN_OUT_EVENTS = 10
STATUSES_OF_A_MESSAGE = ("decided", "sent")
"""The statuses of every message here, each once."""


class Measured(msgspec.Struct, kw_only=True):
    """What a measurement found, and what is wrong with the messages."""

    figures: list[Figure] = []
    faults: list[str] = []


class Stages:
    """In this order: ingest, router, fan_out, dispatch, ledger. What `ingest_batches` stores is nobody's backlog: it comes last."""

    def __init__(self, *, environment: Environment, sink: Sink, rows: Rows) -> None:
        self._environment = environment
        self._sink = sink
        self._rows = rows
        self._topics = Topics(environment.kafka.topic_prefix)
        self._began = time.time()
        self._direct: list[str] = []
        self._fanned: list[str] = []

    async def ingest(self) -> Measured:
        """HTTP request to acknowledged event."""
        async with self._environment.running("ingest"):
            warm = await loading.closed_loop(
                self._environment,
                "warm-",
                lane=Lane.TRANSACTIONAL,
                count=WARM_REQUESTS,
                seconds=REQUEST_SECONDS,
            )
            with Meter(self._environment.pids) as meter:
                loaded = await loading.closed_loop(
                    self._environment,
                    "ingest-",
                    lane=Lane.TRANSACTIONAL,
                    count=REQUESTS,
                    seconds=REQUEST_SECONDS,
                )
        seen = loaded.result
        over = Stretch(min(seen.planned), max(seen.answered), len(seen.answered))
        self._direct = warm.ids + loaded.ids
        stored = await logs.read(self._environment.kafka, self._topics.events(Lane.TRANSACTIONAL))
        sent = [f"warm-{number}" for number in range(len(warm.ids))]
        sent += [f"ingest-{number}" for number in range(len(loaded.ids))]
        faults = difference("events stored", sent, (logs.header(record, "ce_id") for record in stored))
        figure = throughput(
            "ingest: HTTP to acknowledged", over, meter, unit="events/s", load_seconds=seen.cpu_seconds
        )
        return Measured(figures=[figure], faults=warm.faults + loaded.faults + faults)

    async def ingest_batches(self) -> Measured:
        """The same, many events a request."""
        lane, topic = Lane.TRANSACTIONAL, self._topics.events(Lane.TRANSACTIONAL)
        start = await log_ends(self._environment.kafka, topic)
        sent, faults = list[str](), list[str]()
        async with self._environment.running("ingest"):
            with Meter(self._environment.pids) as meter:
                for prefix, count in (("warm-batch-", WARM_BATCHES), ("batch-", BATCHES)):
                    ids, result, wrong = await loading.batches(
                        self._environment,
                        prefix,
                        lane=lane,
                        count=count,
                        size=BATCH_EVENTS,
                        seconds=REQUEST_SECONDS,
                    )
                    sent += ids
                    faults += wrong
        over = Stretch(min(result.planned), max(result.answered), len(ids))
        stored = await logs.read(self._environment.kafka, topic, start=start)
        faults += difference("events stored", sent, (logs.header(record, "ce_id") for record in stored))
        figure = throughput(
            f"ingest: batches of {BATCH_EVENTS} to acknowledged",
            over,
            meter,
            unit="events/s",
            load_seconds=result.cpu_seconds,
        )
        return Measured(figures=[figure], faults=faults)

    async def router(self) -> Measured:
        """Events with one recipient each, in that recipient's partition, to jobs."""
        people = [tenant.RECIPIENTS[number % len(tenant.RECIPIENTS)] for number in range(DIRECT_EVENTS)]
        events = {f"direct-{number}": person for number, person in enumerate(people)}
        lane = Lane.TRANSACTIONAL
        await logs.write(
            self._environment.kafka,
            [tenant.record(event, [who], lane=lane, topics=self._topics) for event, who in events.items()],
        )
        self._direct += [tenant.notification(event, who, lane) for event, who in events.items()]
        return await self._routed("router: events to jobs", lane, self._direct, unit="events/s", goal=8_000)

    async def fan_out(self) -> Measured:
        """Events with a thousand recipients each to intents, and those to jobs."""
        lane, events = Lane.BULK, [f"fan-out-{number}" for number in range(FAN_OUT_EVENTS)]
        await logs.write(
            self._environment.kafka,
            [tenant.record(event, tenant.RECIPIENTS, lane=lane, topics=self._topics) for event in events],
        )
        self._fanned = [
            tenant.notification(event, who, lane) for event in events for who in tenant.RECIPIENTS
        ]
        return await self._routed("router: fan-out to jobs", lane, self._fanned, unit="messages/s")

    async def dispatch(self) -> Measured:
        """Jobs to mails handed over and recorded."""
        wanted = self._direct + self._fanned
        self._environment.launch("dispatch-email", LANES=f"{Lane.TRANSACTIONAL},{Lane.BULK}")
        with Meter(self._environment.pids | {"sink": self._sink.pid}) as meter:
            await self._environment.ready("dispatch-email")
            await self._sink.wait_for(len(wanted), patience=PATIENCE)
            await asyncio.sleep(logs.QUIET)
        await self._environment.stop("dispatch-email")
        caught = await self._sink.take()
        over = stretch(caught.times)
        figure = throughput(
            "dispatch-email: jobs to the sink",
            over,
            meter,
            unit="mails/s",
            goal=4_000,
        )
        return Measured(figures=[figure], faults=difference("mails", wanted, caught.ids))

    async def ledger(self) -> Measured:
        """Statuses to rows."""
        wanted = [
            f"{one} {status}" for one in self._direct + self._fanned for status in STATUSES_OF_A_MESSAGE
        ]
        self._environment.launch("ledger")
        with Meter(self._environment.pids) as meter:
            watching = asyncio.create_task(self._rows.progress(0, wanted=len(wanted), patience=PATIENCE))
            await self._environment.ready("ledger")
            marks = await watching
        await self._environment.stop("ledger")
        rows = await self._rows.count()
        share = rows / max(1, marks[-1][1])  # transaction markers take offsets and become no rows
        over = progress_stretch([(moment, round(done * share)) for moment, done in marks])
        figure = throughput("ledger: statuses to rows", over, meter, unit="rows/s", goal=40_000)
        faults = difference("rows in the ledger", wanted, await self._rows.statuses(self._began))
        return Measured(figures=[figure], faults=faults)

    async def _routed(
        self, name: str, lane: Lane, wanted: list[str], *, unit: str, goal: float | None = None
    ) -> Measured:
        topic = self._topics.jobs(Channel.EMAIL, lane)
        self._environment.launch("router", "worker", LANES=lane)
        with Meter(self._environment.pids) as meter:
            await self._environment.ready("router")
            await logs.wait_quiet(self._environment.kafka, topic, least=len(wanted), patience=PATIENCE)
        await self._environment.stop("router")
        jobs = await logs.read(self._environment.kafka, topic)
        over = stretch(job.timestamp_ms / 1000 for job in jobs)
        figure = throughput(name, over, meter, unit=unit, goal=goal)
        return Measured(
            figures=[figure], faults=difference(f"jobs on {lane}", wanted, map(logs.notified, jobs))
        )
