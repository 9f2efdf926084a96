"""What came of one shard's jobs, stored; and only then their offsets.

Outcomes and dead letters go to the broker one behind the other (`outcome_writer`). A deferral and what goes on instead of the job are one
transaction of the shard, with the job's offset.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from tocsin.channel.deferral import Defer
from tocsin.channel.delivery import Delivery
from tocsin.channel.hand_off_metrics import End
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.outcome_records import (
    dead_letter_of,
    deferral_of,
    intent_to_send_of,
    outcome_of,
    recheck_of,
)
from tocsin.channel.outcome_writer import OutcomeWriter, PendingRecord
from tocsin.channel.retry_policy import INTERRUPTED_END, Finish
from tocsin.channel.shard_offsets import ShardOffsets
from tocsin.channel.stages import observe_end, observe_record
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
from tocsin.observability import get_logger, metrics

log = get_logger(__name__)


class ShardRecording:
    """Of one shard under one assignment. `on_transaction` hears of the end of each delivery's transaction, and of its error."""

    def __init__(
        self,
        context: LaneContext,
        shard: FencedShard,
        offsets: ShardOffsets,
        *,
        on_transaction: Callable[[Delivery, BaseException | None], None],
    ) -> None:
        self._context = context
        self._shard = shard
        self._offsets = offsets
        self._on_transaction = on_transaction
        self._outcomes = OutcomeWriter(publisher=context.publisher, failpoints=context.failpoints)
        self._unrecorded = 0
        """Deliveries that have ended and count in the lane's limit until that is recorded."""
        self.transactions = 0
        """Those under way."""
        self._over = False

    async def run(self) -> None:
        """Store outcomes; after `close`, return when all are stored."""
        await self._outcomes.run()

    def close(self) -> None:
        """No outcome comes any more."""
        self._outcomes.close()

    def stop(self) -> None:
        """The assignment is over: what a transaction brings about from now on is the next owner's to learn."""
        self._over = True

    def forget(self) -> None:
        """What has not been recorded counts no longer: the limit is the lane's, and outlives this shard."""
        unrecorded, self._unrecorded = self._unrecorded, 0
        for _ in range(unrecorded):
            self._context.limit.recorded()

    # Outcomes

    async def announce(self, delivery: Delivery) -> None:
        """Store that this one is about to be sent. A later owner that finds no more than this never calls for it."""
        await self._outcomes.store(intent_to_send_of(self._context, delivery))
        if delivery.trace is not None:
            delivery.trace.stored()
        delivery.announced = True

    def outcome(self, delivery: Delivery, finish: Finish) -> None:
        """Have the outcome stored.

        The recipient's next delivery need not wait until it is: its own outcome comes later into the same writer, which keeps the order.
        Only a deferral, which the shard's transaction writes, may be stored before it.
        """
        context = self._context
        ended_at = observe_end(context, delivery)
        context.hand_off.answered(delivery, finish.status)
        outcome, end = outcome_of(context, delivery, finish), context.hand_off.end_of(delivery, finish)
        self._ended()
        if delivery.trace is not None:
            delivery.trace.end(finish.status, finish.reason)
        self._outcomes.add(PendingRecord(outcome, partial(self._outcome_stored, delivery, end, ended_at)))

    def _outcome_stored(self, delivery: Delivery, end: End, ended_at: float, outcome: RecordMetadata) -> None:
        self._count(end, delivery)
        self._offsets.finish(delivery.record, outcome)
        self._recorded()
        observe_record(self._context, delivery, ended_at, outcome)

    def interrupted(self, delivery: Delivery) -> None:
        """A former owner wrote that it was about to send this one at most once, and nothing after that."""
        context = self._context
        outcome = outcome_of(context, delivery, INTERRUPTED_END)
        end = context.hand_off.end_of(delivery, INTERRUPTED_END)

        def stored(stored_at: RecordMetadata) -> None:
            self._count(end, delivery)
            self._offsets.finish(delivery.record, stored_at)

        self._outcomes.add(PendingRecord(outcome, stored))

    def _count(self, end: End, delivery: Delivery) -> None:
        end.counter.inc()
        if end.status is not StatusName.SENT:
            self._context.pool.lines.ended(end, delivery)

    def dead_letter(self, record: ConsumerRecord, detail: str) -> None:
        """Set an unreadable job aside: a broken release has written it."""
        context = self._context
        metrics.dead_letters.labels(context.service, context.lane, Reason.RECORD_UNREADABLE).inc()
        log.error("job unreadable", origin=record.ref, reason=detail)
        letter = dead_letter_of(context, record, detail)
        self._outcomes.add(PendingRecord(letter, lambda _: self._offsets.finish(record)))

    # Deferrals

    def recheck(self, delivery: Delivery) -> None:
        """Give the delivery back to the router, as an intent."""
        metrics.deferrals.labels(self._context.service, self._context.lane, Reason.RECHECK).inc()
        self._commit(delivery, recheck_of(self._context, delivery))

    def deferral(self, delivery: Delivery, defer: Defer) -> None:
        """Leave the delivery to the scheduler, as a timer."""
        self._context.observe_deferral(defer)
        self._commit(delivery, deferral_of(self._context, delivery, defer))

    def _commit(self, delivery: Delivery, records: list[ProducerRecord]) -> None:
        """The deferral and what goes on instead of this job (an intent, a timer), in one transaction of the shard with the offset behind
        the job.

        The recipient's next delivery waits for the transaction: it is written by another producer than outcomes, so the next
        outcome could stand before this deferral.
        """
        ended_at = observe_end(self._context, delivery)
        positions = self._offsets.position_after(delivery.record)
        self._ended()
        if delivery.trace is not None:
            delivery.trace.end(StatusName.DEFERRED)
        committed = self._shard.submit(records, positions)
        self.transactions += 1
        committed.add_done_callback(partial(self._committed, delivery, positions, ended_at))

    def _committed(
        self,
        delivery: Delivery,
        positions: Mapping[TopicPartition, CommittedOffset],
        ended_at: float,
        committed: "asyncio.Future[None]",
    ) -> None:
        self.transactions -= 1
        error: BaseException | None
        try:
            if committed.cancelled():
                error = OwnershipLost("A transaction was given up before it was committed.")
            elif (error := committed.exception()) is None and not self._over:
                self._offsets.finish_with(delivery.record, positions)
                self._recorded()
                observe_record(self._context, delivery, ended_at)
        except Exception as failure:  # noqa: BLE001 - told to who listens: this is a callback, whose errors nobody sees
            error = failure
        self._on_transaction(delivery, error)

    # The lane's limit

    def _ended(self) -> None:
        """A delivery counts in the lane's limit until its end is recorded."""
        self._unrecorded += 1
        self._context.limit.ended()

    def _recorded(self) -> None:
        if self._unrecorded:  # else `forget` has let all of them go
            self._unrecorded -= 1
            self._context.limit.recorded()
