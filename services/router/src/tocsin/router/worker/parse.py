"""The first step: a record becomes what it asks for, by the workflows as they are published now; or the reason why not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from tocsin.contracts.cancellations import Cancellation, cancellation_of
from tocsin.contracts.cloudevents import EventInvalid, read_kafka, text_of
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_intent, decode_status, describe_error
from tocsin.contracts.events import CANCELLATION_REQUESTED, NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import valid_tenant
from tocsin.contracts.intents import Continuation, Intent, Redrive
from tocsin.contracts.jobs import Job
from tocsin.contracts.subscriptions import STATUS_SOURCE
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.cancellation import read_cancellation
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Again, ClaimOutcome, Lane, Reason
from tocsin.kafka import ConsumerRecord
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.matching import (
    RefusedEvent,
    WorkflowMatch,
    decode_bounded,
    match_request,
    match_subscriber,
)
from tocsin.router.worker.recipients import digest
from tocsin.router.worker.redriven_intent import redriven_intent
from tocsin.router.worker.subscriptions import job_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class EventPlan(msgspec.Struct, frozen=True):
    """A valid event: the workflows it triggers, and those that refused it. If there are neither, nobody subscribes."""

    event: Event
    event_time: datetime
    matches: list[WorkflowMatch]
    refusals: list[RefusedEvent]
    origin: str | None = None
    """The record of the event, where another record brought it here."""
    redrive: str | None = None
    """The re-drive that sends it again."""


class CancellationEvent(NamedTuple):
    """An event that cancels what was sent before it."""

    event: Event
    cancellation: Cancellation


class FanOutRest(NamedTuple):
    """A fan-out that goes on: its event's plan, and the index of the first recipient who has no intent yet."""

    plan: EventPlan
    cursor: int
    origin: str


class PendingIntent(msgspec.Struct, frozen=True):
    """An intent to decide."""

    intent: Intent
    claim: ClaimOutcome
    """What the duplicate rule saw, as the decision will say."""
    decoded_data: Any = msgspec.UNSET
    """The intent's data, if it was decoded before."""
    again: Again | None = None
    """Why it is decided once more."""


class UnreadableRecord(NamedTuple):
    """A record of `intents` that cannot be read, although only Tocsin writes them."""

    detail: str


class ToldAgain(NamedTuple):
    """The job that tells a status to an endpoint once more."""

    job: Job


class RedrivenItem(NamedTuple):
    """What a re-drive sends again, unless a record before this one asked for the same."""

    item: EventPlan | CancellationEvent | RefusedEvent | FanOutRest | PendingIntent | ToldAgain
    tenant: str
    redrive: str
    subject: str


ParsedRecord = (
    EventPlan
    | CancellationEvent
    | RefusedEvent
    | FanOutRest
    | PendingIntent
    | RedrivenItem
    | UnreadableRecord
)


def parse(record: ConsumerRecord, context: BatchContext) -> ParsedRecord:
    """What the record asks for. Nothing that a producer may write raises."""
    if record.topic == context.topics.events:
        return _parse_event(record, context)
    try:
        intent = decode_intent(record.value or b"")
    except UNREADABLE_ERRORS as error:
        return UnreadableRecord(f"The record is no intent of this release: {describe_error(error)}.")
    if isinstance(intent, Intent):
        return PendingIntent(intent, ClaimOutcome.CHECKED_BEFORE, again=_decided_again(intent))
    if isinstance(intent, Redrive):
        return _parse_redrive(intent, record, context.directory)
    rest = _parse_continuation(intent, context.directory)
    if intent.redrive is None or intent.subject is None:
        return rest
    return RedrivenItem(rest, intent.event.tenant, intent.redrive, intent.subject)


def _decided_again(intent: Intent) -> Again | None:
    """None for what a fan-out wrote: nothing was decided about it yet."""
    if intent.delivery is not None:
        return Again.RECHECK
    return Again.TURN if intent.run is not None else None


def _parse_event(
    record: ConsumerRecord, context: BatchContext
) -> EventPlan | CancellationEvent | RefusedEvent:
    directory, lane = context.directory, context.lane
    try:
        event = read_kafka(record.headers, record.value, default_tenant=context.default_tenant)
    except EventInvalid as invalid:
        tenant, event_id, source = _identity(record, context.default_tenant)
        reason, detail = invalid.faults[0].reason, str(invalid)[:1000]
        return RefusedEvent(reason, detail, tenant, event_id, event_source=source)
    event_time = _EPOCH + timedelta(0, 0, 0, record.timestamp_ms)
    return _asked_by(event, event_time, lane, directory, origin=record.ref)


def _asked_by(
    event: Event, event_time: datetime, lane: Lane, directory: PublishedDirectory, *, origin: str
) -> EventPlan | CancellationEvent | RefusedEvent:
    """What a valid event asks for: it cancels, or triggers workflows as they are published now."""
    if directory.tenant(event.tenant) is None:
        detail = "/tenant: there is no such tenant."
        return RefusedEvent(Reason.TENANT_UNKNOWN, detail, event_id=event.id, event_source=event.source)
    if event.type == CANCELLATION_REQUESTED:
        return _parse_cancellation(event, event_time, origin)
    if event.type == NOTIFICATION_REQUESTED:
        match = match_request(event, event_time, lane, directory)
        if isinstance(match, RefusedEvent):
            return match
        return EventPlan(event, event_time, [match], [])
    subscribers = directory.subscribers(event.tenant, event.type)
    decoded_data = decode_bounded(event.data) if subscribers else None
    address_like = directory.address_like_ids(event.tenant)
    plan = EventPlan(event, event_time, [], [])
    for published in subscribers:
        match = match_subscriber(event, event_time, decoded_data, published, lane, address_like=address_like)
        if isinstance(match, WorkflowMatch):
            plan.matches.append(match)
        else:
            plan.refusals.append(match)
    return plan


def _parse_cancellation(event: Event, event_time: datetime, origin: str) -> CancellationEvent | RefusedEvent:
    try:
        asked = read_cancellation(event.data)
    except ValueRefused as refused:
        detail = f"/data{refused.pointer}: {refused.sentence}"
        return RefusedEvent(Reason(refused.code), detail, event.tenant, event.id, event=event)
    requested = cancellation_of(
        asked, tenant=event.tenant, test=event.test, requested_at=event_time, origin=origin
    )
    return CancellationEvent(event, requested)


def _parse_redrive(
    redrive: Redrive, record: ConsumerRecord, directory: PublishedDirectory
) -> RedrivenItem | UnreadableRecord:
    """An event that was a dead letter is taken as if it came now, with its own time: a cancellation reaches what it would have reached
    then. All else is one intent."""
    item: EventPlan | CancellationEvent | RefusedEvent | PendingIntent | ToldAgain
    if redrive.event.source == STATUS_SOURCE and redrive.delivery is not None:
        try:
            item = _told_again(redrive, redrive.delivery.address_key, cause=record.ref)
        except UNREADABLE_ERRORS as error:
            return UnreadableRecord(f"The record holds no status of this release: {describe_error(error)}.")
    elif redrive.recipient is None:
        item = _asked_by(redrive.event, redrive.event_time, redrive.lane, directory, origin=redrive.origin)
        if isinstance(item, EventPlan):
            item = _again(item, redrive)
    else:
        try:
            intent = redriven_intent(redrive, directory, cause=record.ref)
        except UNREADABLE_ERRORS as error:
            return UnreadableRecord(f"The record holds no request of this release: {describe_error(error)}.")
        item = PendingIntent(intent, ClaimOutcome.CLAIMED, again=Again.REDRIVE)
    return RedrivenItem(item, redrive.event.tenant, redrive.redrive, redrive.subject)


def _told_again(redrive: Redrive, endpoint: str, *, cause: str) -> ToldAgain:
    """Whatever the endpoint asks for today: it was missed when it did. Raises one of `UNREADABLE_ERRORS`."""
    value = bytes(redrive.event.data)
    job = job_of(
        decode_status(value), value, endpoint=endpoint, lane=redrive.lane, stored_at=redrive.event_time, origin=redrive.origin,
        redrive=redrive.redrive, cause=cause,
    )  # fmt: skip
    return ToldAgain(job)


def _again(plan: EventPlan, redrive: Redrive) -> EventPlan:
    """Only the workflows that refused it before, where others took it."""
    wanted = set(redrive.workflows)
    matches, refusals = plan.matches, plan.refusals
    if wanted:
        matches = [match for match in matches if match.published.workflow.key in wanted]
        refusals = [refusal for refusal in refusals if refusal.workflow in wanted]
    return EventPlan(plan.event, plan.event_time, matches, refusals, redrive.origin, redrive.redrive)


def _parse_continuation(rest: Continuation, directory: PublishedDirectory) -> FanOutRest | RefusedEvent:
    """The one workflow of the fan-out, as it is published now, on the lane that the fan-out was given when it began."""
    event = rest.event
    if event.type == NOTIFICATION_REQUESTED:
        match = match_request(event, rest.event_time, rest.lane, directory)
    else:
        published = directory.workflow(event.tenant, rest.workflow)
        if published is None:
            detail = "The workflow was withdrawn while its event was being fanned out."
            return RefusedEvent(Reason.WORKFLOW_UNKNOWN, detail, event.tenant, event.id, rest.workflow, event)
        address_like = directory.address_like_ids(event.tenant)
        decoded_data = decode_bounded(event.data)
        match = match_subscriber(
            event, rest.event_time, decoded_data, published, rest.lane, address_like=address_like
        )
    if isinstance(match, RefusedEvent):
        return match
    # The cursor counts in the list of recipients that the fan-out began with, and in no other.
    if rest.recipients_sha256 not in (None, digest(match.recipients)):
        detail = (
            f"The workflow was changed while its event was being fanned out (revision {rest.revision} to "
            f"{match.published.workflow.revision}), and finds other recipients now: the first {rest.cursor} of before have "
            "their notifications, the others have none. Send the event to those again, under a new id."
        )
        return RefusedEvent(Reason.RECIPIENTS_INVALID, detail, event.tenant, event.id, rest.workflow, event)
    matches = [replace(match, lane=rest.lane)]
    plan = EventPlan(event, rest.event_time, matches, [], rest.origin, rest.redrive)
    return FanOutRest(plan, rest.cursor, rest.origin)


def _identity(record: ConsumerRecord, default_tenant: str | None) -> tuple[str, str, str]:
    """Tenant, event id and source of a record that is no valid event, as far as its headers tell."""
    headers = {name.lower(): value for name, value in record.headers}
    tenant = text_of(headers.get("ce_tenant", b"")) or default_tenant
    if not isinstance(tenant, str) or not valid_tenant(tenant):
        tenant = ""
    return tenant, _line_of(headers, "ce_id"), _line_of(headers, "ce_source")


def _line_of(headers: Mapping[str, bytes], name: str) -> str:
    """The header as a line of text; empty where it is none, or too long to be told on."""
    value = text_of(headers.get(name, b""))
    return value if isinstance(value, str) and len(value) <= 1024 and is_line(value) else ""
