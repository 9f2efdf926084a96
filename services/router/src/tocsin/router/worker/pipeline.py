"""One batch of a lane through the steps: parse, dedupe, load; then a few records at a time: decide, render, write.

What is returned commits in one transaction with the offsets of its records.
"""

import asyncio
from collections.abc import Iterator, Sequence
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
from tocsin.observability import metrics
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import DecisionInput, Verdict, decide
from tocsin.router.worker.batch import SERVICE, BatchContext, LaneTopics, begin_counts_at_zero
from tocsin.router.worker.budgets import BatchBudget
from tocsin.router.worker.cancellations import StoresCancellations, times_kept
from tocsin.router.worker.dead_letter_counts import DeadLetterCounts
from tocsin.router.worker.dedupe import (
    BatchItem,
    ClaimsIdentities,
    DuplicateCancellation,
    DuplicateEvent,
    dedupe,
)
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.load import LoadsRecipients, decision_input, load
from tocsin.router.worker.matching import RefusedEvent
from tocsin.router.worker.parse import (
    CancellationEvent,
    EventPlan,
    FanOutRest,
    ParsedRecord,
    PendingIntent,
    RedrivenItem,
    UnreadableRecord,
    parse,
)
from tocsin.router.worker.quota import CountsQuotas, next_day, over_quota
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.router.worker.spans import BatchSpans, Traced
from tocsin.router.worker.suppressed import FindsSuppressions, suppressed_addresses
from tocsin.router.worker.throttle import AsksThrottles, ask_throttles
from tocsin.router.worker.write import write
from tocsin.router.worker.write_events import write_event
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints, LoopSlice

RECORDS_BETWEEN_LOOKS: Final = 16
"""Records made between two looks at the time. A look after each one would take several per cent of a fan-out's time."""
GROUP: Final = 16
"""Intents that are all decided, then all rendered, then all written. The processor finds a step's code at hand for all but the first: one
by one they take a quarter longer; more together gain nothing."""
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
        suppressions: FindsSuppressions,
        renderer: DeliveryRenderer,
        clock: Clock,
        hashes: AddressHashes,
        default_tenant: str | None = None,
        catch_up: CatchUp = always_current,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._lane: Final = lane
        self._group: Final = topics.group(SERVICE, lane)
        self._topics = LaneTopics.of(lane, topics)
        self._directory = directory
        self._claims = claims
        self._cancellations = cancellations
        self._cancellation_rows = cancellation_rows
        self._throttles = throttles
        self._quotas = quotas
        self._recipients = recipients
        self._suppressions = suppressions
        self._renderer = renderer
        self._invalid = InvalidRecordLimit(group=self._group)
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
        begin_counts_at_zero(lane)
        self._dead_letters = DeadLetterCounts(service=SERVICE, lane=lane)
        self._late = metrics.directory_late.labels(SERVICE)
        self._delay = metrics.decision_delay_seconds.labels(lane)

    async def close(self) -> None:
        """Tell what was counted and not told yet. After the last batch."""
        self._dead_letters.lines.close()

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
            spans=BatchSpans(batch.records, group=self._group),
        )
        with context.spans:
            return await self._routed(batch, context)

    async def _routed(self, batch: Batch, context: BatchContext) -> Part:
        items = await self._identified(batch, context)
        asked = [item.cancellation for _, item in items if isinstance(item, CancellationEvent)]
        if asked:
            await self._cancellation_rows.store(asked)
        await self._failpoints.reach("after_claim")
        began = perf_counter()
        stored = await load(items, self._recipients)
        pending = (item.intent for _, item in items if isinstance(item, PendingIntent))
        kept = await times_kept(pending, self._cancellation_rows)
        kept_out = await ask_throttles(items, self._throttles, stored, kept, context)
        waiting = await over_quota(items, self._quotas, stored, kept, context, kept_out=kept_out)
        suppressed = await suppressed_addresses(items, self._suppressions, stored, context)
        began = self._stage_ended("look_up", began)

        out: list[ProducerRecord] = []
        done, budget = 0, BatchBudget(clock=self._clock)
        while done < len(items) and (budget.left or not done):
            record, item = items[done]
            if isinstance(item, PendingIntent):
                group = _intents_from(done, items)
                questions = [
                    decision_input(
                        pending,
                        stored,
                        kept,
                        context,
                        throttled=(notification := pending.intent.notification_id) in kept_out,
                        next_day=next_day(context.now) if notification in waiting else None,
                        suppressed=suppressed,
                    )
                    for _, pending in group
                ]
                done += await self._decide(group, questions, context, budget, out)
            else:
                message = _traced(item) if context.spans.on else None
                if message is not None:
                    context.spans.begin(record, message)
                written = await _collected(write_event(record, item, context), context.loop_slice)
                if message is not None:
                    context.spans.end(message, item.reason.value if isinstance(item, RefusedEvent) else None)
                budget.charge(written)
                out += written
                done += 1
        intents = sum(record.topic != self._topics.events for record, _ in items[:done])
        invalid = sum(isinstance(item, UnreadableRecord) for _, item in items[:done])
        self._invalid.saw(valid=intents - invalid, invalid=invalid)
        self._stage_ended("decide", began)
        context.counts.publish(self._lane)
        self._directory.rates.count(self._lane, context.counts.workflows)
        self._dead_letters.count(context.counts.dead_letters)
        return Part(out, records=done, spans=context.spans.sends)

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
        if context.spans.on:
            context.spans.join(_traced(item) for _, item in parsed)
        began = self._stage_ended("read", began)
        items = await dedupe(parsed, self._claims, context)
        self._stage_ended("claim", began)
        return items

    async def _decide(
        self,
        group: Sequence[tuple[ConsumerRecord, PendingIntent]],
        questions: Sequence[DecisionInput],
        context: BatchContext,
        budget: BatchBudget,
        out: list[ProducerRecord],
    ) -> int:
        """Add what follows from the first of these intents to `out`, as far as the budget reaches, and of at least one. Returns how many intents were written."""
        if context.spans.on:
            for record, pending in group:
                context.spans.begin(record, pending.intent)
        verdicts = [decide(question) for question in questions]
        rendered = []
        for question, verdict in zip(questions, verdicts, strict=True):
            rendered.append(await self._renderer.render(question, verdict.channels, context.loop_slice))
            if not budget.left:
                break
        done = 0
        for (record, pending), question, verdict, channels in zip(
            group, questions, verdicts, rendered, strict=False
        ):
            if (
                done and not budget.room
            ):  # the time decides how many are rendered: none of them is thrown away for it
                break
            self._note_decided(pending, verdict, context)
            written = await _collected(
                write(question, verdict, channels, context, cause=record.ref), context.loop_slice
            )
            if context.spans.on:
                context.spans.end(pending.intent)
            budget.charge(written)
            out += written
            done += 1
        return done

    def _note_decided(self, pending: PendingIntent, verdict: Verdict, context: BatchContext) -> None:
        counts = context.counts
        counts.processed["decided"] += 1
        counts.claims["claimed"] += pending.claim is ClaimOutcome.CLAIMED
        if verdict.outcome is Outcome.CANCELLED:
            counts.cancellations["held"] += 1
        intent = pending.intent
        if intent.delivery is None:  # else one of its deliveries is decided again, as often as it is put off
            counts.workflows[intent.workflow, verdict.outcome] += 1
        if intent.run is None and intent.redrive is None and intent.delivery is None:
            self._delay.observe(max(0.0, (context.now - intent.event_time).total_seconds()))

    def _stage_ended(self, stage: str, began: float) -> float:
        """A stage of the whole batch ended: its time into the metrics."""
        now = perf_counter()
        self._stages[stage].observe(now - began)
        return now


def _intents_from(start: int, items: Items) -> list[tuple[ConsumerRecord, PendingIntent]]:
    """Those that stand there one after the other, at most `GROUP`."""
    group: list[tuple[ConsumerRecord, PendingIntent]] = []
    for record, item in items[start : start + GROUP]:
        if not isinstance(item, PendingIntent):
            break
        group.append((record, item))
    return group


async def _collected(records: Iterator[ProducerRecord], loop_slice: LoopSlice) -> list[ProducerRecord]:
    """The records in a list. Making them may take long, so other tasks may run between two of them."""
    collected = some = list(islice(records, RECORDS_BETWEEN_LOOKS))
    while len(some) == RECORDS_BETWEEN_LOOKS:
        if loop_slice.due:
            await loop_slice.let_go()
        some = list(islice(records, RECORDS_BETWEEN_LOOKS))
        collected += some
    if loop_slice.due:
        await loop_slice.let_go()
    return collected


def _traced(item: BatchItem | ParsedRecord) -> Traced | None:
    """What of it holds the record's traceparent."""
    match item:
        case PendingIntent():
            return item.intent
        case EventPlan() | CancellationEvent() | DuplicateCancellation() | RefusedEvent():
            return item.event
        case DuplicateEvent() | FanOutRest():
            return item.plan.event
        case RedrivenItem():
            return _traced(item.item)
        case _:
            return None
