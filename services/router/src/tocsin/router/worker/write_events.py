"""What follows from an event that is not decided at once: intents, statuses of the event as a whole, dead letters."""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.statuses import EventRef
from tocsin.contracts.vocabulary import Outcome, Reason, Rule, StatusName
from tocsin.kafka import ConsumerRecord, ProducerRecord
from tocsin.router.policy import looked_at
from tocsin.router.worker.batch import SERVICE, BatchContext, event_ref
from tocsin.router.worker.dead_letter_counts import DeadLetterNote
from tocsin.router.worker.dedupe import DuplicateCancellation, DuplicateEvent, RepeatedRedrive
from tocsin.router.worker.fan_out import begin_fan_out, continue_fan_out
from tocsin.router.worker.intents import intent_for
from tocsin.router.worker.matching import RefusedEvent
from tocsin.router.worker.parse import (
    CancellationEvent,
    EventPlan,
    FanOutRest,
    ToldAgain,
    UnreadableRecord,
)
from tocsin.router.worker.write_cancellations import write_cancellation

_OTHER_DATA: Final = (
    "The same id came before with other data, and the first counts. Other data need another id."
)


def write_event(
    record: ConsumerRecord,
    item: EventPlan
    | CancellationEvent
    | FanOutRest
    | DuplicateEvent
    | DuplicateCancellation
    | RepeatedRedrive
    | RefusedEvent
    | ToldAgain
    | UnreadableRecord,
    context: BatchContext,
) -> Generator[ProducerRecord, None, None]:
    """The records that follow from `record`, in their order."""
    processed, claims = context.counts.processed, context.counts.claims
    match item:
        case EventPlan():
            yield from _plan(record, item, context)
        case FanOutRest():
            processed["fanned_out"] += 1
            yield from continue_fan_out(item, context, cause=record.ref)
        case DuplicateEvent():
            claims["duplicate"] += 1
            processed["duplicate"] += 1
            yield from _duplicate(record, item, context)
        case CancellationEvent() | DuplicateCancellation():
            yield from write_cancellation(record, item, context)
        case RepeatedRedrive():
            claims["duplicate"] += 1
            processed["duplicate"] += 1
        case RefusedEvent():
            yield from _refuse(record, [item], context)
        case ToldAgain(job):
            processed["status_told"] += 1
            yield ProducerRecord(context.topics.jobs[job.channel], record.key, encode(job))
        case UnreadableRecord():
            yield _dead_letter(record, RefusedEvent(Reason.RECORD_UNREADABLE, item.detail), context)


def _plan(record: ConsumerRecord, plan: EventPlan, context: BatchContext) -> Iterator[ProducerRecord]:
    """What became of an event with its workflows: it is fanned out to those that take it."""
    processed = context.counts.processed
    context.counts.claims["claimed"] += bool(plan.matches)
    if plan.refusals:
        yield from _refuse(record, plan.refusals, context, taken_by_others=bool(plan.matches))
    elif not plan.matches:
        processed["unmatched"] += 1
        about = event_ref(plan.event, origin=plan.origin or record.ref)
        yield context.event_record(StatusName.EVENT_UNMATCHED, about, cause=record.ref)
    if plan.matches:
        processed["fanned_out"] += 1
        yield from begin_fan_out(plan, context, cause=record.ref)


def _duplicate(
    record: ConsumerRecord, item: DuplicateEvent, context: BatchContext
) -> Iterator[ProducerRecord]:
    """A decision for each notification the event would have made; `event_duplicate` where the budget is too small for all."""
    plan, cause, budget = item.plan, record.ref, context.fan_out
    reason = Reason.OTHER_DATA if item.other_data else None
    notifications = sum(len(match.recipients) for match in plan.matches)
    # A batch may always be answered with one record for each of its own: only what goes beyond that is charged.
    if notifications > 1 and not budget.fits(notifications):
        about = event_ref(plan.event, origin=cause)
        detail = f"Its identity belongs to {item.owner}."
        if item.other_data:
            detail += f" {_OTHER_DATA}"
        yield context.event_record(
            StatusName.EVENT_DUPLICATE, about, cause=cause, rule=Rule.DUPLICATE, reason=reason, detail=detail
        )
        return
    rules = [looked_at(Rule.DUPLICATE, Outcome.DUPLICATE, {"belongs_to": item.owner})]
    for match in plan.matches:
        category = match.published.workflow.category
        for recipient in match.recipients:
            intent = intent_for(plan, match, recipient, origin=cause, cause=cause)
            outgoing = context.decision_record(
                intent,
                Outcome.DUPLICATE,
                cause=cause,
                rules=rules,
                category=category,
                rule=Rule.DUPLICATE,
                reason=reason,
            )
            if notifications > 1:
                budget.charge(len(outgoing.value or b""))
            yield outgoing


def _refuse(
    record: ConsumerRecord,
    refusals: Sequence[RefusedEvent],
    context: BatchContext,
    *,
    taken_by_others: bool = False,
) -> Iterator[ProducerRecord]:
    """One dead letter, and one status if the event says whose it is, however many workflows refused it."""
    context.counts.processed["refused"] += 1
    first = refusals[0]
    detail = " ".join(
        f"{refusal.workflow}: {refusal.detail}" if refusal.workflow else refusal.detail
        for refusal in refusals
    )[:1000]
    known = bool(first.tenant) and context.directory.tenant(first.tenant) is not None
    workflows = " ".join(refusal.workflow or "" for refusal in refusals) if taken_by_others else ""
    told = first._replace(detail=detail, tenant=first.tenant if known else "")
    yield _dead_letter(record, told, context, workflows=workflows)
    if known and first.event_id:
        if first.event is not None:
            about = event_ref(first.event, origin=record.ref)
        else:
            about = EventRef(tenant=first.tenant, event_id=first.event_id, origin=record.ref)
        yield context.event_record(
            StatusName.EVENT_REFUSED, about, cause=record.ref, reason=first.reason, detail=detail, workflow=first.workflow
        )  # fmt: skip


def _dead_letter(
    record: ConsumerRecord, refusal: RefusedEvent, context: BatchContext, *, workflows: str = ""
) -> ProducerRecord:
    """The record as it was, with the reason beside it. Of a part that does not fit the topic it has the length and SHA-256."""
    reason, tenant, event = refusal.reason, refusal.tenant, refusal.event
    source = refusal.event_source if event is None else event.source
    context.counts.dead_letters.append(DeadLetterNote(reason, source, tenant, record.ref))
    letter = DeadLetter(
        service=SERVICE,
        reason=reason,
        detail=refusal.detail,
        origin=record.ref,
        at=context.now,
        tenant=tenant,
        event_source=source,
        event_id=refusal.event_id,
        workflows=workflows,
        record_time=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
    )
    largest = context.topics.dead_bytes
    return ProducerRecord(
        context.topics.dead,
        *truncate_to_fit(letter, key=record.key, value=record.value, headers=record.headers, largest=largest),
    )
