"""The delivery of one shard's jobs: each handed to its provider, its outcome recorded, its offset committed.

    read ─▶ order per recipient ─▶ choose a provider ─▶ its queue ─▶ a runner: attempt ─▶ outcome on `status`, acknowledged
                                        ▲                                │
                                        └────────── retry, when due ◀────┘            ─▶ offset below the lowest unfinished

While the copy of `stops` or `cancels` is too old (see `copy_watch`), optional messages leave this way and wait (`waiting_for_copy`); they begin it anew later.

Before the first job is taken, the outcome log is read back (`outcome_log`), so that what a former owner recorded above a job that had
not ended is not sent again.

Killed at any await, it loses nothing: an offset is committed only after the outcomes below it are stored. What was begun
and not recorded is begun again by the next owner.

When the shard is revoked, what waits is dropped at once and begins anew at the next owner, in its recipient's queue as in a
provider's, and also between two attempts, whatever the first one's answer was: the next owner does not learn that it was
ambiguous. Only what was announced under `at_most_once` goes back to the router then (see `_let_go`). Waited for are only calls and transactions under way, and until their outcomes are stored and committed; so
giving a shard back takes little longer than one call.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from tocsin.channel.attempts import AwaitCopy, Recheck
from tocsin.channel.deferral import Defer
from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.order import RecipientOrder
from tocsin.channel.outcome_records import (
    dead_letter_of,
    deferral_of,
    intent_to_send_of,
    outcome_of,
    recheck_of,
)
from tocsin.channel.outcome_writer import OutcomeWriter, PendingRecord
from tocsin.channel.provider import Provider
from tocsin.channel.provider_instance import ProviderInstance
from tocsin.channel.retry_policy import INTERRUPTED_END, FailOver, Finish, Retry, end_without_call, uncertain
from tocsin.channel.shard_offsets import ShardOffsets
from tocsin.channel.stages import observe_begin, observe_end, observe_stage
from tocsin.channel.waiting_for_copy import WaitingForCopy
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_job, describe_error
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    FencedShard,
    OwnershipLost,
    ProducerRecord,
    RecordMetadata,
    TopicPartition,
)
from tocsin.observability import bound, get_logger, metrics
from tocsin.runtime.tasks import until_ended

log = get_logger(__name__)

TAKE_AT_ONCE = 200
"""Records: few enough that decoding them holds the event loop for under 5 ms."""


class ShardDelivery:
    """One shard under one assignment.

    Runners call `carry`, and a pool that replaces a provider instance calls `enqueue` for what waited there. All else is a
    step of `run`, or follows from these two.
    """

    def __init__(self, context: LaneContext, shard: FencedShard) -> None:
        self._context = context
        self._shard = shard
        self._order = RecipientOrder()
        self._retries: dict[Delivery, asyncio.TimerHandle] = {}
        """What waits until its next attempt is due: the event loop's timers are the queue."""
        self._waiting = WaitingForCopy(copy=context.copy, shown=context.waiting_for_copy)
        self._outcomes = OutcomeWriter(publisher=context.publisher, failpoints=context.failpoints)
        self._offsets = ShardOffsets(
            shard=shard,
            jobs=context.jobs,
            outcomes=context.status,
            group=context.group,
            labels=(context.service, context.lane),
            offsets=context.offsets,
            read_log=context.read_log,
            window_bytes=context.window_bytes,
        )
        self._tasks: list[asyncio.Task[Any]] = []
        self._unrecorded = 0
        """Deliveries that have ended and count in the lane's limit until that is recorded."""
        self._under_way = 0
        """Calls and transactions: what a revoked shard waits for."""
        self._over = False
        """Whether `run` has ended or is about to: nothing that comes later has any effect."""
        self._error: BaseException | None = None
        self._changed = asyncio.Event()
        """Set when what `_until` waits for may have come about."""

    async def run(self) -> None:
        """Deliver until the shard is revoked; returns once every call under way has ended, is recorded and committed.

        Raises LeaseLost and every other OwnershipLost as they are. However this ends, nothing of it goes on.
        """
        try:
            await self._offsets.begin()
            await self._deliver()
            await self._offsets.commit()
        finally:
            self._offsets.release()

    async def _deliver(self) -> None:
        try:
            revoked = self._start(self._shard.revoked.wait(), "wait for revocation")
            reading = self._start(self._read(), "read jobs")
            writing_outcomes = self._start(self._outcomes.run(), "record outcomes")
            self._start(self._offsets.commit_regularly(), "commit")
            self._start(self._let_go_on(), "wait for young copies")
            await self._until(revoked.done)
            reading.cancel()
            self._drop_what_waits()
            await self._until(lambda: not self._under_way)
            self._outcomes.close()
            await self._until(writing_outcomes.done)
        finally:
            self._over = True
            for task in self._tasks:
                if not task.cancelling():  # a second time would interrupt what it closes
                    task.cancel()
            self._drop_what_waits()
            try:
                await until_ended([*self._tasks, *self._context.pool.cancel(self)])
            finally:  # the limit is the lane's, and outlives this shard
                unrecorded, self._unrecorded = self._unrecorded, 0
                for _ in range(unrecorded):
                    self._context.limit.recorded()

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._note_end)
        self._tasks.append(task)
        return task

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)
        self._changed.set()

    def _fail(self, error: BaseException) -> None:
        """Have `run` raise the first of the errors."""
        self._error = self._error or error
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while self._error is None and not condition():
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    @property
    def _ending(self) -> bool:
        """Whether nothing may begin any more."""
        return self._over or self._shard.revoked.is_set()

    def _drop_what_waits(self) -> None:
        """Take this shard's deliveries out of the providers' queues and stop its retries.

        What waits behind another delivery of its recipient, or for a young copy, is simply forgotten.
        """
        for timer in self._retries.values():
            timer.cancel()
        waiting = [*self._waiting.drop(), *self._retries, *self._context.pool.drop(self)]
        self._retries.clear()
        for delivery in waiting:
            self._let_go(delivery)

    # Reading

    async def _read(self) -> None:
        with self._context.reading_back:
            await self._offsets.read_back()
        while True:
            await self._offsets.room()
            await self._context.pool.until_reading_helps()
            batch = await self._shard.take(max_records=TAKE_AT_ONCE)
            if batch is None:
                return
            for record in batch.records:
                self._accept(record)

    def _accept(self, record: ConsumerRecord) -> None:
        self._offsets.take(record)
        try:
            job = decode_job(record.value or b"")
        except UNREADABLE_ERRORS as error:
            self._bury(record, f"The record is no job of this release: {describe_error(error)}.")
            return
        self._context.invalid_records.saw(valid=1)
        if self._offsets.ended_before(record, job.delivery_id):
            return
        key = recipient_key(job.tenant, job.recipient)
        delivery = Delivery(self, record, job, key, taken_at=self._context.clock.monotonic())
        if self._offsets.announced_before(record, job.delivery_id):
            self._end_interrupted(delivery)
            return
        if self._order.add(delivery):
            self.enqueue(delivery)

    def _bury(self, record: ConsumerRecord, detail: str) -> None:
        """An unreadable job is a broken release's: set it aside, and stop when there are many."""
        context = self._context
        context.invalid_records.saw(invalid=1)
        metrics.dead_letters.labels(context.service, context.lane, Reason.RECORD_UNREADABLE).inc()
        log.error("job unreadable", origin=record.ref, reason=detail)
        letter = dead_letter_of(context, record, detail)
        self._outcomes.add(PendingRecord(letter, lambda _: self._offsets.finish(record)))

    def _end_interrupted(self, delivery: Delivery) -> None:
        """A former owner wrote that it was about to send this one at most once, and nothing after that."""
        context = self._context
        metrics.processed.labels(context.service, context.lane, StatusName.UNKNOWN).inc()
        outcome = outcome_of(context, delivery, INTERRUPTED_END)
        self._outcomes.add(PendingRecord(outcome, partial(self._offsets.finish, delivery.record)))

    # Delivering

    def enqueue(self, delivery: Delivery | None) -> None:
        """Put it into the queue of its provider. Without a provider it ends at once, or goes back to the router, and the next of
        its recipient's follows."""
        try:
            while delivery is not None:
                if self._ending:
                    self._let_go(delivery)
                    return
                if not (delivery.job.required or self._waiting.may_pass):
                    delivery = self._hold(delivery)
                    continue
                instance = self._context.pool.choose(delivery.job, delivery.tries, attempt=delivery.attempt)
                if instance is not None and not self._ends_while_it_waits(delivery, instance):
                    delivery.enqueued_at = self._context.clock.monotonic()
                    instance.put(self._context.lane, delivery)
                    return
                delivery = self._end_without_provider(delivery)
        except Exception as error:  # noqa: BLE001 - raised by `run`: who calls may be a timer, or a pool that reloads
            self._fail(error)

    @property
    def wants_room(self) -> bool:
        """Whether nothing more is read because what is held fills the window."""
        return self._offsets.full

    def set_aside(self, delivery: Delivery, seconds: float) -> None:
        """Have a timer bring it back, unless it would expire before: then it stays, and ends so. It is no attempt."""
        try:
            due = self._context.clock.now() + timedelta(seconds=seconds)
            if self._ending or due >= delivery.job.expires_at:
                self.enqueue(delivery)
                return
            if not delivery.begun_at:
                observe_begin(self._context, delivery)
            self._defer(delivery, Defer(due=due, reason=Reason.SET_ASIDE))
        except Exception as error:  # noqa: BLE001 - raised by `run`: who calls is the pool
            self._fail(error)

    def _ends_while_it_waits(self, delivery: Delivery, instance: ProviderInstance) -> bool:
        """Whether it would wait for a provider that does not work, and may not be sent any more."""
        return instance.troubled and self._context.attempts.guard(delivery) is not None

    def _end_without_provider(self, delivery: Delivery) -> Delivery | None:
        """End it as what forbids its call says, else as one that nobody serves. Returns the recipient's next delivery that need not
        wait."""
        if not delivery.begun_at:
            observe_begin(self._context, delivery)
        end = self._context.attempts.guard(delivery)
        if isinstance(end, Recheck):
            self._recheck(delivery)
            return None
        nobody = end_without_call(delivery.tries, self._context.pool.why_nobody(delivery.job))
        return self._store_outcome(delivery, end or nobody)

    async def carry(self, delivery: Delivery, provider: Provider) -> None:
        """One attempt, and what follows from it."""
        if self._ending:  # since a moment ago, and `run` has not dropped it yet
            self._let_go(delivery)
            return
        job = delivery.job
        self._under_way += 1
        try:
            if not delivery.begun_at:
                observe_begin(self._context, delivery)
            with bound(delivery_id=job.delivery_id, notification_id=job.notification_id, tenant=job.tenant):
                next_step = await self._context.attempts.attempt(
                    delivery, provider, lease_ok=self._shard.lease_ok, announce=self._announce
                )
            match next_step:
                case Finish():
                    self.enqueue(self._store_outcome(delivery, next_step))
                case FailOver():
                    self.enqueue(delivery)
                case Retry():
                    self._retry(delivery, next_step)
                case Defer():
                    self._defer(delivery, next_step)
                case Recheck():
                    self._recheck(delivery)
                case AwaitCopy():
                    self.enqueue(self._hold(delivery))
        except Exception as error:  # noqa: BLE001 - raised by `run`: the runner is not this shard's alone
            self._fail(error)
        finally:
            self._under_way_ended()

    def _under_way_ended(self) -> None:
        """A call or a transaction has ended: `run` may wait for the last one."""
        self._under_way -= 1
        if self._ending:
            self._changed.set()

    def _ended(self) -> None:
        """A delivery counts in the lane's limit until its end is recorded."""
        self._unrecorded += 1
        self._context.limit.ended()

    def _recorded(self) -> None:
        if self._unrecorded:  # else `_deliver` has let all of them go
            self._unrecorded -= 1
            self._context.limit.recorded()

    async def _announce(self, delivery: Delivery) -> bool:
        """Store that this one is about to be sent, and say whether its call may still begin. A later owner that finds no more than this
        never calls for it."""
        await self._outcomes.store(intent_to_send_of(self._context, delivery))
        delivery.announced = True
        return not self._ending

    def _let_go(self, delivery: Delivery) -> None:
        """It begins anew at the next owner. One that was announced, and that no call may have sent, would be taken there for one that
        may have been sent: it goes back to the router instead, and comes again as another job."""
        if delivery.announced and not self._over and not uncertain(delivery.tries):
            self._recheck(delivery)

    # What follows from an attempt

    def _retry(self, delivery: Delivery, retry: Retry) -> None:
        """Wait until the next attempt is due: in its recipient's turn, but in no runner's hands."""
        if self._ending:
            self._let_go(delivery)
            return
        delivery.attempt += 1
        delay = retry.due - self._context.clock.monotonic()
        self._retries[delivery] = asyncio.get_running_loop().call_later(delay, self._due, delivery)

    def _due(self, delivery: Delivery) -> None:
        del self._retries[delivery]
        self.enqueue(delivery)

    def _hold(self, delivery: Delivery) -> Delivery | None:
        """Let it wait until the copies are young enough. Returns the recipient's next delivery, which need not."""
        self._waiting.add(delivery)
        return self._order.done(delivery)

    async def _let_go_on(self) -> None:
        """Each time the copy is young again, hand on what waited for it, a portion at a time."""
        while True:
            waited = await self._waiting.young()
            # All of them take their place in their recipient's order before any goes on: what is read meanwhile comes behind.
            first = [delivery for delivery in waited if self._order.add(delivery)]
            for begin in range(0, len(first), TAKE_AT_ONCE):
                for delivery in first[begin : begin + TAKE_AT_ONCE]:
                    self.enqueue(delivery)
                await asyncio.sleep(0)

    def _store_outcome(self, delivery: Delivery, finish: Finish) -> Delivery | None:
        """Have the outcome stored. Returns the recipient's next delivery.

        That one need not wait until this outcome is stored: its own comes later into the same writer, which keeps the order.
        Only a deferral, which the shard's transaction writes, may be stored before it.
        """
        ended_at = observe_end(self._context, delivery, finish.status)
        outcome = outcome_of(self._context, delivery, finish)
        self._ended()
        self._outcomes.add(PendingRecord(outcome, partial(self._outcome_stored, delivery, ended_at)))
        return self._order.done(delivery)

    def _outcome_stored(self, delivery: Delivery, ended_at: float, outcome: RecordMetadata) -> None:
        self._offsets.finish(delivery.record, outcome)
        self._recorded()
        observe_stage(self._context, "record", delivery, self._context.clock.monotonic() - ended_at)

    def _recheck(self, delivery: Delivery) -> None:
        self._go_on_elsewhere(delivery, recheck_of(self._context, delivery))

    def _defer(self, delivery: Delivery, defer: Defer) -> None:
        self._context.observe_deferral(defer)
        self._go_on_elsewhere(delivery, deferral_of(self._context, delivery, defer))

    def _go_on_elsewhere(self, delivery: Delivery, records: list[ProducerRecord]) -> None:
        """The deferral and what goes on instead of this job (an intent, a timer), in one transaction of the shard with the offset behind
        the job.

        The recipient's next delivery waits for the transaction: it is written by another producer than outcomes, so the next
        outcome could stand before this deferral.
        """
        ended_at = observe_end(self._context, delivery, StatusName.DEFERRED)
        positions = self._offsets.position_after(delivery.record)
        self._ended()
        committed = self._shard.submit(records, positions)
        self._under_way += 1
        committed.add_done_callback(partial(self._deferral_committed, delivery, positions, ended_at))

    def _deferral_committed(
        self,
        delivery: Delivery,
        positions: Mapping[TopicPartition, CommittedOffset],
        ended_at: float,
        committed: "asyncio.Future[None]",
    ) -> None:
        try:
            if committed.cancelled():
                self._fail(OwnershipLost("A transaction was given up before it was committed."))
            elif error := committed.exception():
                self._fail(error)
            elif not self._over:
                self._offsets.finish_with(delivery.record, positions)
                self._recorded()
                observe_stage(self._context, "record", delivery, self._context.clock.monotonic() - ended_at)
                if not self._ending:  # where nothing begins any more, it may have lost its place: it was held
                    self.enqueue(self._order.done(delivery))
        except Exception as error:  # noqa: BLE001 - raised by `run`: this is a callback, whose errors nobody sees
            self._fail(error)
        finally:
            self._under_way_ended()
