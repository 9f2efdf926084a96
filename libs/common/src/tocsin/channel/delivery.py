"""The delivery loop: jobs of one lane in, each handed to its provider once, its outcome recorded, its offset committed.

    take ─▶ order per recipient ─▶ attempts ─▶ outcome on `status`, acknowledged ─▶ offset below the lowest unfinished

Killed at any await, the loop loses nothing: an offset is committed only after the outcomes below it are stored. What was
begun and not recorded (at most `max_in_flight` a lane) is begun again by the next owner.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from tocsin.channel.attempts import Attempts, LeaseLost, Recheck
from tocsin.channel.gate import Gate
from tocsin.channel.order import RecipientOrder
from tocsin.channel.outcome import outcome_of, recheck_of
from tocsin.channel.poison import PoisonGuard
from tocsin.channel.provider import Provider
from tocsin.channel.stop_table import StopTable
from tocsin.channel.verdict import End
from tocsin.channel.window import PartitionWindow
from tocsin.contracts.codec import Unreadable, decode_job, encode
from tocsin.contracts.dead_letters import DeadLetter, kept_value
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import MIB, Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import (
    NO_FAILPOINTS,
    Failpoints,
    NotStored,
    Offsets,
    Outgoing,
    Overloaded,
    Position,
    Publisher,
    Record,
    Slot,
    Stored,
    TopicPartition,
    read_back_metadata,
    read_back_position,
)
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock

log = get_logger(__name__)

PUBLISH_TIMEOUT = 10.0
COMMIT_EVERY = 0.5
"""Seconds between commits: what a former owner finished and did not commit is read back, not sent again."""
IDLE_COMMIT_EVERY = 20.0
"""Seconds after which a partition without work commits the end of its outcome log anew (promised: 30)."""
PARTITION_WINDOW = 5_000

Route = Callable[[Job], tuple[Provider, Gate] | None]
"""The provider a job goes to, and the gate before it; None when the dispatcher has none of the names the job gives."""


@dataclass(frozen=True, slots=True)
class _Taken:
    record: Record
    job: Job
    key: bytes


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What has to be stored before a record counts as finished."""

    record: Record
    outgoing: Outgoing
    slot_holder: bool
    """Whether a place among those in flight is given back when it is stored."""


class DeliveryLoop:
    """The work of one lane of one channel, slot by slot: give `work` to a `SlotGroup`."""

    def __init__(
        self,
        *,
        channel: Channel,
        lane: Lane,
        topics: Topics,
        route: Route,
        attempts: Attempts,
        publisher: Publisher,
        offsets: Offsets,
        stops: StopTable,
        clock: Clock,
        max_in_flight: int,
        window_bytes: int,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.channel = channel
        self.lane = lane
        self.service = channel.dispatcher
        self.group = f"{self.service}.{lane}"
        self.topics = topics
        self.route = route
        self.attempts = attempts
        self.publisher = publisher
        self.offsets = offsets
        self.stops = stops
        self.clock = clock
        self.max_in_flight = max_in_flight
        self.places = asyncio.Semaphore(max_in_flight)
        self.window_bytes = window_bytes
        self.poison = PoisonGuard()
        self.failpoints = failpoints

    async def work(self, slot: Slot) -> None:
        """Deliver the slot's jobs until it is revoked; returns with everything begun ended, recorded and committed."""
        await _SlotDelivery(self, slot).run()


class _SlotDelivery:
    """One slot under one assignment."""

    def __init__(self, loop: DeliveryLoop, slot: Slot) -> None:
        self._loop = loop
        self._slot = slot
        self._windows: dict[int, PartitionWindow] = {}
        self._order: RecipientOrder[_Taken] = RecipientOrder()
        self._outcomes: list[_Outcome] = []
        self._running = 0
        self._something_ready = asyncio.Event()
        self._something_ended = asyncio.Event()
        self._something_finished = asyncio.Event()
        self._reading_ended = False
        self._committed: dict[int, Position] = {}
        labels = (loop.service, loop.lane)
        self._in_flight = metrics.in_flight.labels(*labels)
        self._in_flight_bytes = metrics.in_flight_bytes.labels(*labels)
        self._age = metrics.message_age_seconds.labels(*labels)

    async def run(self) -> None:
        await self._begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._start_deliveries(tasks), name="start deliveries")
            recording = tasks.create_task(self._record_outcomes(), name="record outcomes")
            committing = tasks.create_task(self._commit_now_and_then(), name="commit")
            await self._read()
            self._reading_ended = True
            self._order.drop()
            self._wake()
            await recording
            committing.cancel()
        await self._commit()
        for window in self._windows.values():  # what never began is the next owner's
            self._in_flight.dec(len(window))
            self._in_flight_bytes.dec(window.size)

    # Reading

    async def _begin(self) -> None:
        """Learn where logs end now, and commit at once: from here on the committed position is this owner's."""
        loop, slot = self._loop, self._slot
        jobs = list(slot.positions)
        status = {place: TopicPartition(loop.topics.status(loop.lane), place.partition) for place in jobs}
        ends = await loop.offsets.ends([*jobs, *status.values()])
        for place, position in slot.positions.items():
            self._windows[place.partition] = PartitionWindow(
                offset=position.offset,
                outcome_position=read_back_position(position.metadata, group=loop.group),
                outcome_end=ends[status[place]],
                replayed_below=min(ends[place], position.offset + PARTITION_WINDOW),
            )
        await self._commit()

    async def _read(self) -> None:
        while True:
            await self._wait_for_room()
            batch = await self._slot.take(max_records=200)
            if batch is None:
                return
            for record in batch.records:
                self._accept(record)
            self._something_ready.set()

    async def _wait_for_room(self) -> None:
        """Until every partition's window and the process's memory have room, or the slot is revoked."""
        while not self._slot.revoked.is_set() and (
            sum(window.size for window in self._windows.values()) >= self._loop.window_bytes
            or any(len(window) >= PARTITION_WINDOW for window in self._windows.values())
        ):
            self._something_finished.clear()
            await _first_of(self._something_finished.wait(), self._slot.revoked.wait())

    def _accept(self, record: Record) -> None:
        size = record.size
        self._windows[record.partition].take(record.offset, size=size)
        self._in_flight.inc()
        self._in_flight_bytes.inc(size)
        try:
            job = decode_job(record.value or b"")
        except Unreadable as error:
            self._bury(record, str(error))
            return
        self._loop.poison.good()
        key = recipient_key(job.tenant, job.recipient)
        self._order.add(key, _Taken(record, job, key))

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
        value = kept_value(record.value, letter, at_most=4 * MIB - 64 * 1024)
        outgoing = Outgoing(
            loop.topics.dead(loop.service), record.key, value, (*record.headers, *letter.headers())
        )
        metrics.dead_letters.labels(loop.service, loop.lane, Reason.RECORD_UNREADABLE).inc()
        log.error("job unreadable", origin=record.ref, reason=detail)
        self._outcomes.append(_Outcome(record, outgoing, slot_holder=False))
        self._something_ended.set()

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
        loop = self._loop
        record, job = taken.record, taken.job
        self._age.observe(max(0.0, loop.clock.time_ms() / 1000 - job.event_time.timestamp()))
        held = True
        try:
            ended = await self._attempt(taken)
            if isinstance(ended, Status):
                self._outcomes.append(self._outcome(record, ended))
                held = False
            elif isinstance(ended, Recheck):
                await self._send_back(taken)
                self._finish(record)
        finally:
            if held:
                loop.places.release()
            self._running -= 1
            self._order.done(taken.key)
            self._wake()

    async def _attempt(self, taken: _Taken) -> Status | Recheck | None:
        """The delivery's outcome; `Recheck`; or None when the slot was revoked between two attempts."""
        loop = self._loop
        record, job = taken.record, taken.job
        routed = loop.route(job)
        if routed is None:
            end = End(status=StatusName.FAILED, reason=Reason.PROVIDER_UNKNOWN, retryable=False)
            return self._status(job, end, record, None, 0)
        provider, gate = routed
        attempted = await loop.attempts.make(
            job, provider, gate, before_call=lambda: self._instead(job), stopping=self._slot.revoked
        )
        if attempted is None:
            return None
        match attempted.end:
            case Recheck() as recheck:
                return recheck
            case End() as end:
                return self._status(
                    job, end, record, provider.name if attempted.calls else None, attempted.calls
                )

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

    def _status(self, job: Job, end: End, record: Record, provider: str | None, attempts: int) -> Status:
        metrics.processed.labels(self._loop.service, self._loop.lane, end.status).inc()
        return outcome_of(
            job, end, cause=record.ref, at=self._loop.clock.now(), provider=provider, attempt=attempts
        )

    def _outcome(self, record: Record, status: Status) -> _Outcome:
        return _Outcome(record, self._status_record(record, status), slot_holder=True)

    def _status_record(self, record: Record, status: Status) -> Outgoing:
        """On the job's own partition number, so that it is found when the outcome log is read back."""
        topic = self._loop.topics.status(self._loop.lane)
        return Outgoing(topic, record.key, encode(status), partition=record.partition)

    async def _send_back(self, taken: _Taken) -> None:
        """The deferral and the intent to decide again, in one transaction of the slot."""
        end = End(status=StatusName.DEFERRED, reason=Reason.RECHECK, retryable=True)
        status = self._status(taken.job, end, taken.record, None, 0)
        intent = recheck_of(taken.job, cause=taken.record.ref)
        await self._slot.transaction(
            [
                Outgoing(self._loop.topics.intents(self._loop.lane), taken.key, encode(intent)),
                self._status_record(taken.record, status),
            ]
        )

    # Recording

    async def _record_outcomes(self) -> None:
        """Store outcomes in the order in which deliveries ended, as many at once as have gathered."""
        while self._running or self._outcomes or not self._reading_ended:
            if not self._outcomes:
                self._something_ended.clear()
                await self._something_ended.wait()
                continue
            outcomes, self._outcomes = self._outcomes, []
            await self._loop.failpoints.reach("before_outcome")
            stored = await self._store([outcome.outgoing for outcome in outcomes])
            await self._loop.failpoints.reach("after_outcome")
            for outcome, place in zip(outcomes, stored, strict=True):
                if place.partition == outcome.record.partition and outcome.slot_holder:
                    self._windows[place.partition].outcome_stored(place.offset)
                self._finish(outcome.record)
                if outcome.slot_holder:
                    self._loop.places.release()

    async def _store(self, records: Sequence[Outgoing]) -> list[Stored]:
        """Until they are stored, for as long as it takes: an outcome is never given up. Storing one twice changes nothing."""
        while True:
            try:
                return await self._loop.publisher.publish(records, timeout=PUBLISH_TIMEOUT)
            except (NotStored, Overloaded) as error:
                log.warning("outcomes not stored yet", outcomes=len(records), reason=str(error))
                await asyncio.sleep(0.2)

    def _finish(self, record: Record) -> None:
        self._windows[record.partition].finish(record.offset)
        self._in_flight.dec()
        self._in_flight_bytes.dec(record.size)
        self._something_finished.set()

    def _wake(self) -> None:
        self._something_ready.set()
        self._something_ended.set()

    # Committing

    async def _commit_now_and_then(self) -> None:
        since_end_was_asked = 0.0
        while True:
            await asyncio.sleep(COMMIT_EVERY)
            if self._running:  # calls are bounded, so whoever waits for one is at work
                self._slot.touch()
            since_end_was_asked += COMMIT_EVERY
            if since_end_was_asked >= IDLE_COMMIT_EVERY:
                since_end_was_asked = 0.0
                await self._ask_for_outcome_ends()
            await self._commit()

    async def _ask_for_outcome_ends(self) -> None:
        status = self._loop.topics.status(self._loop.lane)
        ends = await self._loop.offsets.ends([TopicPartition(status, number) for number in self._windows])
        for place, end in ends.items():
            self._windows[place.partition].outcome_end(end)

    async def _commit(self) -> None:
        """Commit what has changed since the last time."""
        changed: dict[int, Position] = {}
        for number, window in self._windows.items():
            now = window.committable
            position = Position(now.offset, read_back_metadata(now.outcome_position))
            if self._committed.get(number) != position:
                changed[number] = position
        if not changed:
            return
        topic = self._loop.topics.jobs(self._loop.channel, self._loop.lane)
        await self._slot.commit({TopicPartition(topic, number): at for number, at in changed.items()})
        self._committed.update(changed)


async def _first_of(*waits: Coroutine[None, None, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
