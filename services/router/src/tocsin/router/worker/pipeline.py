"""One batch of a lane through the steps: parse, dedupe, load; then record by record: decide, render, write.

What is returned commits in one transaction with the offsets of its records.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from time import perf_counter
from typing import Final

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import ClaimOutcome, Lane, Outcome
from tocsin.kafka import (
    Batch,
    Cancellations,
    CatchUp,
    ConsumerRecord,
    InvalidRecordLimit,
    Part,
    ProducerRecord,
    always_current,
)
from tocsin.observability import current_traceparent, metrics, record_span, recording, span, tracing_on
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import DecisionInput, decide
from tocsin.router.worker.batch import SERVICE, BatchContext, LaneTopics
from tocsin.router.worker.budgets import BatchBudget
from tocsin.router.worker.cancellations import StoresCancellations, times_kept
from tocsin.router.worker.dedupe import (
    BatchItem,
    ClaimsIdentities,
    DuplicateCancellation,
    DuplicateEvent,
    dedupe,
)
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.load import LoadsRecipients, decision_input, load
from tocsin.router.worker.parse import (
    CancellationEvent,
    EventPlan,
    FanOutRest,
    ParsedRecord,
    PendingIntent,
    UnreadableRecord,
    parse,
)
from tocsin.router.worker.quota import CountsQuotas, next_day, over_quota
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.router.worker.throttle import AsksThrottles, ask_throttles
from tocsin.router.worker.write import write
from tocsin.router.worker.write_events import write_event
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints, LoopSlice

RECORDS_BETWEEN_LOOKS: Final = 16
"""Records made between two looks at the time. A look after each one would take several per cent of a fan-out's time."""
DIRECTORY_SECONDS: Final = 1.0
"""How long a batch waits at most for the directory; then it is decided by what the copy holds."""

Items = list[tuple[ConsumerRecord, BatchItem]]


class Router:
    """`process` is what `ExactlyOnce` calls for one lane. Failpoint of its own: `after_claim`."""

    def __init__(
        self,
        *,
        lane: Lane,
        topics: Topics,
        directory: PublishedDirectory,
        claims: ClaimsIdentities,
        cancellations: Cancellations,
        cancellation_rows: StoresCancellations,
        throttles: AsksThrottles,
        quotas: CountsQuotas,
        recipients: LoadsRecipients,
        renderer: DeliveryRenderer,
        clock: Clock,
        hashes: AddressHashes,
        default_tenant: str | None = None,
        catch_up: CatchUp = always_current,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._lane: Final = lane
        self._topics = LaneTopics.of(lane, topics)
        self._directory = directory
        self._claims = claims
        self._cancellations = cancellations
        self._cancellation_rows = cancellation_rows
        self._throttles = throttles
        self._quotas = quotas
        self._recipients = recipients
        self._renderer = renderer
        self._invalid = InvalidRecordLimit(group=topics.group(SERVICE, lane))
        self._clock = clock
        self._hashes = hashes
        self._default_tenant = default_tenant
        self._catch_up = catch_up
        self._failpoints = failpoints
        # As the metrics' labels name the steps: `read` is parse, `claim` dedupe, `look_up` load; `decide` is decide, render
        # and write of all records.
        self._stages = {
            stage: metrics.stage_seconds.labels(SERVICE, lane, stage)
            for stage in ("read", "claim", "look_up", "decide")
        }
        self._late = metrics.directory_late.labels(SERVICE)
        self._age = metrics.message_age_seconds.labels(SERVICE, lane)

    async def process(self, batch: Batch) -> Part:
        """What follows from the batch; or, when that takes long or is much, from its first records. They commit before the
        others are processed. Raises when the database is away, or too many intents are invalid."""
        context = BatchContext(
            lane=self._lane,
            now=self._clock.now(),
            topics=self._topics,
            directory=self._directory,
            cancellations=self._cancellations,
            partition_count=batch.partition_count,
            default_tenant=self._default_tenant,
            hashes=self._hashes,
        )
        items = await self._identified(batch, context)
        asked = [item.cancellation for _, item in items if isinstance(item, CancellationEvent)]
        if asked:
            await self._cancellation_rows.store(asked)
        await self._failpoints.reach("after_claim")
        traced = _sampled_traces(items)
        began = perf_counter()
        stored = await load(items, self._recipients)
        pending = (item.intent for _, item in items if isinstance(item, PendingIntent))
        kept = await times_kept(pending, self._cancellation_rows)
        kept_out = await ask_throttles(items, self._throttles, stored, kept, context)
        waiting = await over_quota(items, self._quotas, stored, kept, context, kept_out=kept_out)
        began = self._stage_ended("look_up", began, traced)

        out: list[ProducerRecord] = []
        done, budget = 0, BatchBudget(clock=self._clock)
        for record, item in items:
            if done and not budget.left:
                break
            if isinstance(item, PendingIntent):
                throttled = item.intent.notification_id in kept_out
                due = next_day(context.now) if item.intent.notification_id in waiting else None
                question = decision_input(item, stored, kept, context, throttled=throttled, next_day=due)
                written = await self._decided(record, item, question, context)
            else:
                # A fan-out stands within a span. If this task is cancelled, the span ends here, in the task that began it.
                with closing(write_event(record, item, context)) as records:
                    written = await _collected(records, context.loop_slice)
            out += written
            budget.charge(written)
            done += 1
        intents = sum(record.topic != self._topics.events for record, _ in items[:done])
        invalid = sum(isinstance(item, UnreadableRecord) for _, item in items[:done])
        self._invalid.saw(valid=intents - invalid, invalid=invalid)
        self._stage_ended("decide", began)
        context.counts.publish(self._lane)
        return Part(out, records=done)

    async def _identified(self, batch: Batch, context: BatchContext) -> Items:
        """Parsed and claimed, by a directory that holds everything that was in force when the batch had been fetched.

        Where its end lies is asked beside the work. If the copy moved on meanwhile, the work is done again: a claim of the same
        record stands.
        """
        catching_up = asyncio.create_task(self._catch_up(seconds=DIRECTORY_SECONDS))
        try:
            known = self._directory.changes
            items = await self._claimed(batch, context)
            if not await catching_up:
                self._late.inc()
            return items if self._directory.changes == known else await self._claimed(batch, context)
        finally:
            catching_up.cancel()

    async def _claimed(self, batch: Batch, context: BatchContext) -> Items:
        """What each record asks for, and which event came before."""
        began = perf_counter()
        parsed: list[tuple[ConsumerRecord, ParsedRecord]] = []
        for record in batch.records:
            parsed.append((record, parse(record, context)))
            if context.loop_slice.due:
                await context.loop_slice.let_go()
        traced = _sampled_traces(parsed)
        began = self._stage_ended("read", began, traced)
        items = await dedupe(parsed, self._claims, context)
        self._stage_ended("claim", began, traced)
        return items

    async def _decided(
        self,
        record: ConsumerRecord,
        pending: PendingIntent,
        question: DecisionInput,
        context: BatchContext,
    ) -> list[ProducerRecord]:
        """What follows from one intent: decide, render, write."""
        intent, counts = pending.intent, context.counts
        counts.processed["decided"] += 1
        counts.claims["claimed"] += pending.claim is ClaimOutcome.CLAIMED
        self._age.observe(max(0.0, (context.now - intent.event_time).total_seconds()))
        with span("decide", intent.traceparent, lane=context.lane.value):
            intent.traceparent = current_traceparent()
            verdict = decide(question)
            if verdict.outcome is Outcome.CANCELLED:
                counts.cancellations["held"] += 1
            channels = await self._renderer.render(question, verdict.channels, context.loop_slice)
            written = write(question, verdict, channels, context, cause=record.ref)
            return await _collected(written, context.loop_slice)

    def _stage_ended(self, stage: str, began: float, traced: Iterable[str | None] = ()) -> float:
        """A stage of the whole batch ended: its time into the metrics, and a span for each record that is `traced`."""
        now = perf_counter()
        self._stages[stage].observe(now - began)
        for traceparent in traced:
            record_span(stage, traceparent, seconds=now - began, lane=self._lane.value)
        return now


async def _collected(records: Iterator[ProducerRecord], loop_slice: LoopSlice) -> list[ProducerRecord]:
    """The records in a list. Making them may take long, so other tasks may run between two of them."""
    collected: list[ProducerRecord] = []
    while some := list(islice(records, RECORDS_BETWEEN_LOOKS)):
        collected += some
        if loop_slice.due:
            await loop_slice.let_go()
    return collected


def _sampled_traces(items: Iterable[tuple[ConsumerRecord, BatchItem | ParsedRecord]]) -> list[str | None]:
    """The traceparents under which spans are recorded here; of next to all batches, none."""
    if not tracing_on():
        return []
    return [traceparent for _, item in items if recording(traceparent := _trace_of(item))]


def _trace_of(item: BatchItem | ParsedRecord) -> str | None:
    """The traceparent that came with the record."""
    match item:
        case PendingIntent():
            return item.intent.traceparent
        case EventPlan() | CancellationEvent() | DuplicateCancellation():
            return item.event.traceparent
        case DuplicateEvent():
            return item.plan.event.traceparent
        case FanOutRest():
            return item.plan.event.traceparent
        case _:
            return None
