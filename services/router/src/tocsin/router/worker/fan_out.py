"""One event becomes one intent for each recipient, in chunks: no transaction grows with the audience."""

from collections.abc import Iterator

from msgspec.structs import replace

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import event_key, recipient_key
from tocsin.contracts.intents import Continuation
from tocsin.contracts.vocabulary import StatusName
from tocsin.kafka import ProducerRecord
from tocsin.observability.messaging import note_count
from tocsin.router.worker.batch import BatchContext, event_ref
from tocsin.router.worker.intents import intent_for
from tocsin.router.worker.matching import WorkflowMatch
from tocsin.router.worker.parse import EventPlan, FanOutRest
from tocsin.router.worker.recipients import digest


def begin_fan_out(plan: EventPlan, context: BatchContext, *, cause: str) -> Iterator[ProducerRecord]:
    """`event_accepted`, then the intents for the recipients of each workflow."""
    origin = plan.origin or cause
    about = event_ref(plan.event, origin=origin)
    yield context.event_record(StatusName.EVENT_ACCEPTED, about, cause=cause, at=plan.event_time)
    for match in plan.matches:
        yield from _fan_out(plan, match, context, start=0, origin=origin, cause=cause)


def continue_fan_out(rest: FanOutRest, context: BatchContext, *, cause: str) -> Iterator[ProducerRecord]:
    """The intents for the recipients who have none yet."""
    for match in rest.plan.matches:
        yield from _fan_out(rest.plan, match, context, start=rest.cursor, origin=rest.origin, cause=cause)


def _fan_out(
    plan: EventPlan, match: WorkflowMatch, context: BatchContext, *, start: int, origin: str, cause: str
) -> Iterator[ProducerRecord]:
    """Intents from the recipient at `start` on, while the batch's budget lasts; then a continuation for the others. One span sends them
    all: each recipient's part of the trace begins with it."""
    event, budget = plan.event, context.fan_out
    topic = context.topics.intents[match.lane]
    end = len(match.recipients)
    send = context.spans.send(topic, event.traceparent)
    traceparent = event.traceparent if send is None else send.traceparent
    # If only one recipient is left to begin with, its intent is written even without a budget: a continuation in its
    # place would be as large, and would have to be read again for this one recipient.
    only_one = end - start == 1
    for cursor in range(start, end):
        if not budget.left and not only_one:
            rest = Continuation(
                event=replace(event, traceparent=traceparent),
                event_time=plan.event_time,
                lane=match.lane,
                workflow=match.published.workflow.key,
                cursor=cursor,
                revision=match.published.workflow.revision,
                recipients_sha256=digest(match.recipients),
                redrive=plan.redrive,
                origin=origin,
                cause=cause,
                traceparent=traceparent,
            )
            yield ProducerRecord(topic, event_key(event.tenant, event.id), encode(rest))
            break
        intent = intent_for(plan, match, match.recipients[cursor], origin=origin, cause=cause)
        intent.traceparent = traceparent
        value = encode(intent)
        budget.charge(len(value))
        yield ProducerRecord(topic, recipient_key(intent.tenant, intent.recipient), value)
    if send is not None and start < end:
        note_count(send, cursor - start + 1)
