"""The delivery loop: jobs of one lane in, each handed to its provider once, its outcome recorded, its offset committed.

    take ─▶ order per recipient ─▶ attempts ─▶ outcome on `status`, acknowledged ─▶ offset below the lowest unfinished

Killed at any await, the loop loses nothing: an offset is committed only after the outcomes below it are stored. What was
begun and not recorded is begun again by the next owner, and, until outcomes are read back on assignment, so is what was
recorded above a job that had not ended.
"""

import asyncio
import functools
from dataclasses import dataclass

from tocsin.channel.attempts import Attempts, LeaseLost, Recheck
from tocsin.channel.order import RecipientOrder
from tocsin.channel.outcome import outcome_of, recheck_of
from tocsin.channel.poison import PoisonGuard
from tocsin.channel.progress import SlotProgress
from tocsin.channel.recorder import Outcome, Recorder
from tocsin.channel.stop_table import StopTable
from tocsin.channel.verdict import End
from tocsin.contracts.codec import Unreadable, decode_job, encode, fault_in
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import MIB, Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import NO_FAILPOINTS, Failpoints, FencedShard, Offsets, Outgoing, Publisher, Record, Stored
from tocsin.observability import bound, get_logger, metrics, record_span, recording
from tocsin.runtime import Clock

log = get_logger(__name__)

TAKE_AT_ONCE = 200
"""Records: few enough that decoding them holds the event loop for under 5 ms."""


@dataclass(frozen=True, slots=True)
class _Taken:
    record: Record
    job: Job
    key: bytes
    at: float
    """Monotonic seconds: when it was taken."""


class DeliveryLoop:
    """The work of one lane of one channel, slot by slot: give `work` to a `SlotGroup`.

    `max_in_flight` bounds the deliveries begun and not yet recorded, `window_bytes` the jobs held by one slot.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        lane: Lane,
        topics: Topics,
        attempts: Attempts,
        publisher: Publisher,
        offsets: Offsets,
        stops: StopTable,
        clock: Clock,
        max_in_flight: int,
        window_bytes: int,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.lane = lane
        self.service = channel.dispatcher
        self.group = topics.group(self.service, lane)
        self.jobs = topics.jobs(channel, lane)
        self.status = topics.status(lane)
        self.intents = topics.intents(lane)
        self.dead = topics.dead(self.service)
        self.attempts = attempts
        self.publisher = publisher
        self.offsets = offsets
        self.stops = stops
        self.clock = clock
        self.places = asyncio.Semaphore(max_in_flight)
        self.window_bytes = window_bytes
        self.poison = PoisonGuard()
        self.failpoints = failpoints

    async def work(self, slot: FencedShard) -> None:
        """Deliver the slot's jobs until it is revoked; returns with everything begun ended, recorded and committed."""
        await _SlotDelivery(self, slot).run()


class _SlotDelivery:
    """One slot under one assignment."""

    def __init__(self, loop: DeliveryLoop, slot: FencedShard) -> None:
        self._loop = loop
        self._slot = slot
        self._order: RecipientOrder[_Taken] = RecipientOrder()
        self._recorder = Recorder(publisher=loop.publisher, failpoints=loop.failpoints)
        self._progress = SlotProgress(
            slot=slot,
            jobs=loop.jobs,
            outcomes=loop.status,
            group=loop.group,
            labels=(loop.service, loop.lane),
            offsets=loop.offsets,
            window_bytes=loop.window_bytes,
        )
        self._running = 0
        self._something_ready = asyncio.Event()
        self._reading_ended = False
        self._age = metrics.message_age_seconds.labels(loop.service, loop.lane)
        self._stages = {
            stage: metrics.stage_seconds.labels(loop.service, loop.lane, stage)
            for stage in ("wait", "send", "record")
        }

    async def run(self) -> None:
        await self._progress.begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._start_deliveries(tasks), name="start deliveries")
            recording = tasks.create_task(
                self._recorder.run(more_may_come=lambda: self._running > 0 or not self._reading_ended),
                name="record outcomes",
            )
            committing = tasks.create_task(self._progress.commit_now_and_then(), name="commit")
            await self._read()
            self._reading_ended = True
            self._order.drop()
            self._something_ready.set()
            self._recorder.wake()
            await recording
            committing.cancel()
        await self._progress.end()

    # Reading

    async def _read(self) -> None:
        while True:
            await self._progress.room()
            batch = await self._slot.take(max_records=TAKE_AT_ONCE)
            if batch is None:
                return
            for record in batch.records:
                self._accept(record)
            self._something_ready.set()

    def _accept(self, record: Record) -> None:
        self._progress.take(record)
        try:
            job = decode_job(record.value or b"")
        except Unreadable as error:
            self._bury(record, f"The record is no job of this release: {fault_in(error)}.")
            return
        self._loop.poison.good()
        key = recipient_key(job.tenant, job.recipient)
        self._order.add(key, _Taken(record, job, key, self._loop.clock.monotonic()))

    def _bury(self, record: Record, detail: str) -> None:
        """An unreadable job is a broken release's: set it aside, and stop when there are many."""
        loop = self._loop
        loop.poison.bad(what=f"jobs on {record.topic}")
        letter = DeadLetter(
            service=loop.service,
            reason=Reason.RECORD_UNREADABLE,
            detail=detail,
            origin=record.ref,
            at=loop.clock.now(),
        )
        outgoing = Outgoing(
            loop.dead,
            *truncate_to_fit(
                letter, key=record.key, value=record.value, headers=record.headers, largest=4 * MIB
            ),
        )
        metrics.dead_letters.labels(loop.service, loop.lane, Reason.RECORD_UNREADABLE).inc()
        log.error("job unreadable", origin=record.ref, reason=detail)
        self._recorder.add(Outcome(outgoing, lambda _: self._progress.finish(record)))

    # Delivering

    async def _start_deliveries(self, tasks: asyncio.TaskGroup) -> None:
        places = self._loop.places
        while not self._reading_ended:
            if not self._order.ready:
                self._something_ready.clear()
                await self._something_ready.wait()
                continue
            await places.acquire()
            taken = None if self._reading_ended else self._order.next()
            if taken is None:
                places.release()
                continue
            self._running += 1
            tasks.create_task(self._deliver(taken), name="deliver")

    async def _deliver(self, taken: _Taken) -> None:
        """From the first attempt to an outcome that waits to be stored; the place in flight is kept until it is."""
        loop = self._loop
        record = taken.record
        self._slot.touch()
        self._age.observe(max(0.0, loop.clock.time_ms() / 1000 - taken.job.event_time.timestamp()))
        self._took("wait", taken, since=taken.at)
        began = loop.clock.monotonic()
        to_be_stored = False
        try:
            with bound(
                delivery_id=taken.job.delivery_id,
                notification_id=taken.job.notification_id,
                tenant=taken.job.tenant,
            ):
                ended = await self._attempt(taken)
            finished = loop.clock.monotonic()
            self._stages["send"].observe(finished - began)  # each of its calls has a span of its own
            if isinstance(ended, Status):
                outgoing = self._status_record(record, ended)
                self._recorder.add(Outcome(outgoing, functools.partial(self._recorded, taken, finished)))
                to_be_stored = True
            elif isinstance(ended, Recheck):
                await self._send_back(taken)
                self._progress.finish(record)
                self._took("record", taken, since=finished)
        finally:
            if not to_be_stored:
                loop.places.release()
            self._running -= 1
            self._order.done(taken.key)
            self._slot.touch()
            self._something_ready.set()
            self._recorder.wake()

    def _recorded(self, taken: _Taken, since: float, place: Stored) -> None:
        self._progress.finish(taken.record, place)
        self._loop.places.release()
        self._took("record", taken, since=since)

    def _took(self, stage: str, taken: _Taken, *, since: float) -> None:
        """The seconds of a stage: a number for each, a span for those of sampled events."""
        job, seconds = taken.job, self._loop.clock.monotonic() - since
        self._stages[stage].observe(seconds)
        if recording(job.traceparent):
            record_span(
                stage, job.traceparent, seconds=seconds, delivery_id=job.delivery_id, lane=job.lane.value
            )

    async def _attempt(self, taken: _Taken) -> Status | Recheck | None:
        """The delivery's outcome; `Recheck`; or None when the slot was revoked between two attempts."""
        record, job = taken.record, taken.job
        attempted = await self._loop.attempts.make(
            job, before_call=lambda: self._instead(job), stopping=self._slot.revoked
        )
        if attempted is None:
            return None
        match attempted.end:
            case Recheck() as recheck:
                return recheck
            case End() as end:
                return self._status(job, end, record, attempted.provider, attempted.calls)

    def _instead(self, job: Job) -> End | Recheck | None:
        """What stands in the way of a call that is about to be made."""
        if not self._slot.lease_ok():
            metrics.lease_lost.labels(self._loop.service, self._loop.lane).inc()
            raise LeaseLost("The lease ran out before a provider call.")
        if job.expires_at <= self._loop.clock.now():
            return End(status=StatusName.EXPIRED)
        if self._loop.stops.outdated(job):
            return Recheck()
        return None

    async def _send_back(self, taken: _Taken) -> None:
        """The deferral and the intent to decide again, in one transaction of the slot."""
        end = End(status=StatusName.DEFERRED, reason=Reason.RECHECK, retryable=True)
        status = self._status(taken.job, end, taken.record, None, 0)
        intent = recheck_of(taken.job, cause=taken.record.ref)
        await self._slot.transaction(
            [
                Outgoing(self._loop.intents, taken.key, encode(intent)),
                self._status_record(taken.record, status),
            ],
            self._progress.position_after(taken.record),
        )

    def _status(self, job: Job, end: End, record: Record, provider: str | None, attempts: int) -> Status:
        loop = self._loop
        metrics.processed.labels(loop.service, loop.lane, end.status).inc()
        return outcome_of(
            job, end, cause=record.ref, at=loop.clock.now(), provider=provider, attempt=attempts
        )

    def _status_record(self, record: Record, status: Status) -> Outgoing:
        """On the job's own partition number, so that it is found when the outcome log is read back."""
        return Outgoing(self._loop.status, record.key, encode(status), partition=record.partition)
