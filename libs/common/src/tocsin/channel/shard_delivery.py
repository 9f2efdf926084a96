"""The delivery of one shard's jobs: each handed to its provider, its outcome recorded, its offset committed (`shard_recording`).

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
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from tocsin.channel.attempts import AwaitCopy, Recheck
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.deferral import Defer
from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.order import RecipientOrder
from tocsin.channel.preparing import Preparing
from tocsin.channel.provider import Provider
from tocsin.channel.provider_instance import ProviderInstance
from tocsin.channel.retry_policy import FailOver, Finish, Retry, end_without_call, uncertain
from tocsin.channel.shard_offsets import ShardOffsets
from tocsin.channel.shard_recording import ShardRecording
from tocsin.channel.stages import observe_begin
from tocsin.channel.waiting_for_copy import WaitingForCopy
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_job, describe_error
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import ConsumerRecord, FencedShard
from tocsin.observability import bound
from tocsin.runtime.tasks import until_ended

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
        self._preparing = None
        if context.preparation is not None:
            self._preparing = Preparing(
                context.preparation,
                attempts=context.attempts,
                clock=context.clock,
                shown=context.being_prepared,
                on_end=self._prepared,
                on_error=self._fail,
                put_off=self._put_off,
            )
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
        self._recording = ShardRecording(
            context, shard, self._offsets, on_transaction=self._transaction_ended
        )
        self._tasks: list[asyncio.Task[Any]] = []
        self._calls = 0
        """Those under way."""
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
            writing_outcomes = self._start(self._recording.run(), "record outcomes")
            self._start(self._offsets.commit_regularly(), "commit")
            self._start(self._let_go_on(), "wait for young copies")
            await self._until(revoked.done)
            reading.cancel()
            self._drop_what_waits()
            await self._until(lambda: not (self._calls or self._recording.transactions))
            self._recording.close()
            await self._until(writing_outcomes.done)
        finally:
            self._over = True
            self._recording.stop()
            for task in self._tasks:
                if not task.cancelling():  # a second time would interrupt what it closes
                    task.cancel()
            self._drop_what_waits()
            try:
                await until_ended([*self._tasks, *self._context.pool.cancel(self)])
            finally:
                self._recording.forget()
                if self._preparing is not None:
                    self._preparing.release_all()

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
        if self._preparing is not None:
            unprepared, tasks = self._preparing.drop()
            waiting += unprepared
            self._tasks += tasks
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
            self._accept(batch.records)

    def _accept(self, records: Sequence[ConsumerRecord]) -> None:
        """Begin with the jobs among them and set the others aside. All are counted before: many unreadable ones stop the lane."""
        jobs = [_job_in(record) for record in records]
        readable = sum(isinstance(job, Job) for job in jobs)
        self._context.invalid_records.saw(valid=readable, invalid=len(jobs) - readable)
        for record, job in zip(records, jobs, strict=True):
            self._offsets.take(record)
            if isinstance(job, Job):
                self._begin(record, job)
            else:
                self._recording.dead_letter(record, job)

    def _begin(self, record: ConsumerRecord, job: Job) -> None:
        if self._offsets.ended_before(record, job.delivery_id):
            return
        key = recipient_key(job.tenant, job.recipient)
        turn = self._context.turn_of(job, key)
        delivery = Delivery(self, record, job, key, taken_at=self._context.clock.monotonic(), turn=turn)
        if self._offsets.announced_before(record, job.delivery_id):
            self._recording.interrupted(delivery)
            return
        self._enter(delivery)

    def _enter(self, delivery: Delivery) -> None:
        """Let it take its recipient's turn, once it has what it needs."""
        if self._preparing is not None and self._preparing.begin(delivery):
            return
        if self._order.add(delivery):
            self.enqueue(delivery)

    def _prepared(self, delivery: Delivery) -> None:
        """It has what it needs, or will not get it."""
        try:
            if self._order.add(delivery):
                self.enqueue(delivery)
        except Exception as error:  # noqa: BLE001 - raised by `run`: who calls is a task that nobody waits for
            self._fail(error)

    def _put_off(self, delivery: Delivery, seconds: float) -> bool:
        """Whether it waited in a provider's queue: then it makes room for others, and is no attempt."""
        if not self._context.pool.remove(delivery):
            return False
        self.set_aside(delivery, seconds)
        return True

    # Delivering

    def enqueue(self, delivery: Delivery | None) -> None:
        """Put it into the queue of its provider. Without a provider it ends at once, or goes back to the router, and the next of
        its recipient's follows."""
        try:
            while delivery is not None:
                if self._ending:
                    self._let_go(delivery)
                    return
                if delivery.unfit is not None:
                    delivery = self._end_unprepared(delivery)
                    continue
                if not (delivery.job.may_be_late_to_stop or self._waiting.may_pass):
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
            self._release(delivery)
            self._recording.deferral(delivery, Defer(due=due, reason=Reason.SET_ASIDE))
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
        if end is None and delivery.tries and delivery.tries[-1].attempt == delivery.attempt:
            return self._follow(delivery, self._context.attempts.nobody_left(delivery))
        nobody = end_without_call(delivery.tries, self._context.pool.why_nobody(delivery.job))
        return self._follow(delivery, end or nobody)

    def _end_unprepared(self, delivery: Delivery) -> Delivery | None:
        """It has not got what it needs. Returns the recipient's next delivery that need not wait."""
        if not delivery.begun_at:
            observe_begin(self._context, delivery)
        return self._follow(delivery, self._context.attempts.unprepared(delivery))

    async def carry(self, delivery: Delivery, provider: Provider, deadline: CallDeadline) -> None:
        """One attempt, and what follows from it."""
        if self._ending:  # since a moment ago, and `run` has not dropped it yet
            self._let_go(delivery)
            return
        job = delivery.job
        self._calls += 1
        try:
            if not delivery.begun_at:
                observe_begin(self._context, delivery)
            with bound(delivery_id=job.delivery_id, notification_id=job.notification_id, tenant=job.tenant):
                next_step = await self._context.attempts.attempt(
                    delivery, provider, deadline, lease_ok=self._shard.lease_ok, announce=self._announce
                )
            self.enqueue(self._follow(delivery, next_step))
        except Exception as error:  # noqa: BLE001 - raised by `run`: the runner is not this shard's alone
            self._fail(error)
        finally:
            self._calls -= 1
            self._note_call_or_transaction_ended()

    def _note_call_or_transaction_ended(self) -> None:
        if self._ending:  # `run` may wait for the last one
            self._changed.set()

    async def _announce(self, delivery: Delivery) -> bool:
        """Store that this one is about to be sent, and say whether its call may still begin."""
        await self._recording.announce(delivery)
        return not self._ending

    def _let_go(self, delivery: Delivery) -> None:
        """It begins anew at the next owner. One that was announced, and that no call may have sent, would be taken there for one that
        may have been sent: it goes back to the router instead, and comes again as another job."""
        self._release(delivery)
        if delivery.announced and not self._over and not uncertain(delivery.tries):
            self._recording.recheck(delivery)
        elif delivery.trace is not None:
            delivery.trace.give_up()

    def _release(self, delivery: Delivery) -> None:
        if delivery.prepared is not None and self._preparing is not None:
            self._preparing.release(delivery)

    # What follows from an attempt

    def _follow(
        self, delivery: Delivery, next_step: Finish | Retry | FailOver | Defer | Recheck | AwaitCopy
    ) -> Delivery | None:
        """Returns what can go into a queue now: this delivery, or the recipient's next."""
        if not isinstance(next_step, Retry | FailOver):
            self._release(delivery)
        match next_step:
            case Finish():
                self._recording.outcome(delivery, next_step)
                return self._order.done(delivery)
            case FailOver():
                return delivery
            case AwaitCopy():
                return self._hold(delivery)
            case Retry():
                self._retry(delivery, next_step)
            case Defer():
                self._recording.deferral(delivery, next_step)
            case Recheck():
                self._recording.recheck(delivery)
        return None

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
        self._release(delivery)  # it is prepared again when it goes on
        self._waiting.add(delivery)
        return self._order.done(delivery)

    async def _let_go_on(self) -> None:
        """Each time the copy is young again, hand on what waited for it, a portion at a time."""
        while True:
            waited = await self._waiting.young()
            # All of them take their place in their recipient's order before any goes on: what is read meanwhile comes behind.
            first = [
                delivery
                for delivery in waited
                if not (self._preparing is not None and self._preparing.begin(delivery))
                and self._order.add(delivery)
            ]
            for begin in range(0, len(first), TAKE_AT_ONCE):
                for delivery in first[begin : begin + TAKE_AT_ONCE]:
                    self.enqueue(delivery)
                await asyncio.sleep(0)

    def _transaction_ended(self, delivery: Delivery, error: BaseException | None) -> None:
        """Of what goes on elsewhere: only now may the recipient's next delivery begin."""
        try:
            if error is not None:
                self._fail(error)
            elif not self._ending:  # where nothing begins any more, it may have lost its place: it was held
                self.enqueue(self._order.done(delivery))
        except Exception as failure:  # noqa: BLE001 - raised by `run`: who calls is a callback, whose errors nobody sees
            self._fail(failure)
        self._note_call_or_transaction_ended()


def _job_in(record: ConsumerRecord) -> Job | str:
    """The record's job, or why it is none."""
    try:
        return decode_job(record.value or b"")
    except UNREADABLE_ERRORS as error:
        return f"The record is no job of this release: {describe_error(error)}."
