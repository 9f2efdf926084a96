"""The first step: a record becomes what it asks for, by the workflows as they are published now; or the reason why not."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tocsin.contracts.cancellations import Cancellation, cancellation_of
from tocsin.contracts.cloudevents import EventInvalid, read_kafka, text_of
from tocsin.contracts.codec import (
    UNREADABLE_ERRORS,
    decode_intent,
    decode_request,
    describe_error,
    unknown_field,
)
from tocsin.contracts.events import (
    CANCELLATION_REQUESTED,
    NOTIFICATION_REQUESTED,
    Event,
    NotificationRequest,
)
from tocsin.contracts.ids import valid_tenant
from tocsin.contracts.intents import Continuation, Intent, Redrive
from tocsin.contracts.limits import JSON_DEPTH, MESSAGE_LIFE_SECONDS
from tocsin.contracts.send_times import CLOCK_TOLERANCE, due_of
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.cancellation import cancel_key_of, read_cancellation
from tocsin.contracts.values.json_depth import too_deep
from tocsin.contracts.values.link import link
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Again, ClaimOutcome, Lane, Reason, slowest
from tocsin.kafka import ConsumerRecord
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.directory import PublishedDirectory, PublishedWorkflow
from tocsin.router.worker.recipients import (
    RecipientRef,
    RecipientsInvalid,
    deduplicated,
    digest,
    judge,
    resolve_recipients,
)
from tocsin.router.worker.redriven_intent import redriven_intent

T = TypeVar("T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIFE: Final = timedelta(seconds=MESSAGE_LIFE_SECONDS) + CLOCK_TOLERANCE
_decode = msgspec.json.decode
_TOO_DEEP: Final = f"JSON may nest {JSON_DEPTH} deep."


class WorkflowMatch(NamedTuple):
    """One workflow that an event triggers: for whom, with what data, on which lane."""

    published: PublishedWorkflow
    recipients: list[RecipientRef]
    data: msgspec.Raw
    decoded_data: Any
    lane: Lane
    actor: RecipientRef | None = None
    link: str | None = None
    expires_at: datetime | None = None
    due_at: datetime | None = None
    """When it is to be sent; None: at once."""
    cancel_key: str | None = None


class RefusedEvent(NamedTuple):
    """Why an event cannot be taken, or why one of its workflows does not take it. No value of the event is repeated."""

    reason: Reason
    detail: str
    tenant: str = ""
    event_id: str = ""
    workflow: str | None = None
    event: Event | None = None
    """The event, if the record was one."""
    event_source: str = ""
    """What the record names as its source, if it was no event."""


class EventPlan(NamedTuple):
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


class PendingIntent(NamedTuple):
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


class RedrivenItem(NamedTuple):
    """What a re-drive sends again, unless a record before this one asked for the same."""

    item: EventPlan | RefusedEvent | FanOutRest | PendingIntent
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
    event_time = _EPOCH + timedelta(milliseconds=record.timestamp_ms)
    if event.type == CANCELLATION_REQUESTED and directory.tenant(event.tenant) is not None:
        return _parse_cancellation(event, event_time, record.ref)
    return _plan_of(event, event_time, lane, directory)


def _plan_of(
    event: Event, event_time: datetime, lane: Lane, directory: PublishedDirectory
) -> EventPlan | RefusedEvent:
    """What a valid event triggers, by the workflows as they are published now."""
    if directory.tenant(event.tenant) is None:
        detail = "/tenant: there is no such tenant."
        return RefusedEvent(Reason.TENANT_UNKNOWN, detail, event_id=event.id, event_source=event.source)
    if event.type == NOTIFICATION_REQUESTED:
        match = _match_request(event, event_time, lane, directory)
        if isinstance(match, RefusedEvent):
            return match
        return EventPlan(event, event_time, [match], [])
    subscribers = directory.subscribers(event.tenant, event.type)
    decoded_data = _decode_bounded(event.data) if subscribers else None
    address_like = directory.address_like_ids(event.tenant)
    plan = EventPlan(event, event_time, [], [])
    for published in subscribers:
        match = _match_subscriber(event, event_time, decoded_data, published, lane, address_like=address_like)
        if isinstance(match, WorkflowMatch):
            plan.matches.append(match)
        else:
            plan.refusals.append(match)
    return plan


def _parse_cancellation(event: Event, event_time: datetime, origin: str) -> CancellationEvent | RefusedEvent:
    try:
        asked = read_cancellation(event.data)
    except ValueRefused as refused:
        detail = f"/data{refused.pointer}: {refused.detail}."
        return RefusedEvent(Reason(refused.code), detail, event.tenant, event.id, event=event)
    requested = cancellation_of(
        asked, tenant=event.tenant, test=event.test, requested_at=event_time, origin=origin
    )
    return CancellationEvent(event, requested)


def _parse_redrive(
    redrive: Redrive, record: ConsumerRecord, directory: PublishedDirectory
) -> RedrivenItem | UnreadableRecord:
    """An event that was a dead letter is planned as if it came now, with its own time. All else is one intent."""
    item: EventPlan | RefusedEvent | PendingIntent
    if redrive.recipient is None:
        item = _plan_of(redrive.event, redrive.event_time, redrive.lane, directory)
        if isinstance(item, EventPlan):
            item = _again(item, redrive)
    else:
        try:
            intent = redriven_intent(redrive, directory, cause=record.ref)
        except UNREADABLE_ERRORS as error:
            return UnreadableRecord(f"The record holds no request of this release: {describe_error(error)}.")
        item = PendingIntent(intent, ClaimOutcome.CLAIMED, again=Again.REDRIVE)
    return RedrivenItem(item, redrive.event.tenant, redrive.redrive, redrive.subject)


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
        match = _match_request(event, rest.event_time, rest.lane, directory)
    else:
        published = directory.workflow(event.tenant, rest.workflow)
        if published is None:
            detail = "The workflow was withdrawn while its event was being fanned out."
            return RefusedEvent(Reason.WORKFLOW_UNKNOWN, detail, event.tenant, event.id, rest.workflow, event)
        address_like = directory.address_like_ids(event.tenant)
        decoded_data = _decode_bounded(event.data)
        match = _match_subscriber(
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
    matches = [match._replace(lane=rest.lane)]
    plan = EventPlan(event, rest.event_time, matches, [], rest.origin, rest.redrive)
    return FanOutRest(plan, rest.cursor, rest.origin)


def _match_request(
    event: Event, event_time: datetime, lane: Lane, directory: PublishedDirectory
) -> WorkflowMatch | RefusedEvent:
    """The workflow that a direct request names."""

    def refused(reason: Reason, detail: str, workflow: str | None = None) -> RefusedEvent:
        return RefusedEvent(reason, detail, event.tenant, event.id, workflow, event)

    try:
        request = decode_request(event.data)
    except UNREADABLE_ERRORS as error:
        unknown = unknown_field(error, at="/data")
        reason = Reason.DATA_INVALID if unknown is None else Reason.FIELD_UNKNOWN
        return refused(reason, unknown or f"{describe_error(error, at='/data')}.")
    published = directory.workflow(event.tenant, request.workflow)
    if published is None:
        return refused(Reason.WORKFLOW_UNKNOWN, "/data/workflow: no published workflow has this key.")
    decoded_data = _decode_bounded(request.data)
    if unfit := _request_fault(request, decoded_data, published):
        return refused(unfit[0], f"/data{unfit[1]}", request.workflow)
    try:
        asked = _asked(request, event, event_time, address_like=directory.address_like_ids(event.tenant))
    except (RecipientsInvalid, ValueRefused) as error:
        return refused(*_refusal_of(error), request.workflow)
    return WorkflowMatch(
        published,
        asked.recipients,
        request.data,
        decoded_data,
        slowest(lane, published.workflow.lane, request.lane),
        request.actor,
        request.link,
        request.expires_at,
        asked.due_at,
        asked.cancel_key,
    )


class _Asked(NamedTuple):
    """What of a request is judged: for whom it is, when it is due (None: now), and under which key it may be cancelled."""

    recipients: list[RecipientRef]
    due_at: datetime | None
    cancel_key: str | None


def _asked(request: NotificationRequest, event: Event, event_time: datetime, *, address_like: bool) -> _Asked:
    """Raises RecipientsInvalid or ValueRefused, with a pointer into the event."""
    recipients = deduplicated(request.recipients, address_like=address_like, pointer="/data/recipients")
    if request.actor is not None:
        judge(request.actor, address_like=address_like, pointer="/data/actor")
    if request.link is not None:
        _judged("/data/link", link, request.link)
    key = _judged("/data", cancel_key_of, event, request)
    due = due_of(event, request, event_time=event_time, tolerance=CLOCK_TOLERANCE)
    if request.expires_at is not None and request.expires_at - (due or event_time) > _LIFE:
        raise ValueRefused(
            Reason.LIVES_TOO_LONG, "lies more than 6 days after the event, or after the time at which it is due", pointer="/data/expires_at"
        )  # fmt: skip
    return _Asked(recipients, due, key)


def _judged(pointer: str, judge: Callable[..., T], *values: object) -> T:
    """What a judge of values says; its refusal leads to where they stand."""
    try:
        return judge(*values)
    except ValueRefused as refused:
        raise refused.below(pointer) from refused


def _refusal_of(error: RecipientsInvalid | ValueRefused) -> tuple[Reason, str]:
    """Why a request is refused whose recipients, actor, link, times or cancellation key cannot be used."""
    if isinstance(error, RecipientsInvalid):
        return error.reason, str(error)
    return Reason(error.code), f"{error.pointer}: {error.detail}."


def _request_fault(
    request: NotificationRequest, decoded_data: Any, published: PublishedWorkflow
) -> tuple[Reason, str] | None:
    """What of the request, beside its recipients, is not as the contract or the workflow has it; the pointer begins in the
    request."""
    if unusable := published.unusable:
        return Reason.WORKFLOW_UNUSABLE, f"/workflow: {unusable}"
    if type(decoded_data) is not dict:
        return Reason.DATA_INVALID, f"/data: must be an object. {_TOO_DEEP}"
    if request.expires_at is not None and request.expires_at.tzinfo is None:
        return Reason.DATA_INVALID, "/expires_at: must name its offset from UTC."
    return published.fault(decoded_data, len(memoryview(request.data)))


def _match_subscriber(
    event: Event,
    event_time: datetime,
    decoded_data: Any,
    published: PublishedWorkflow,
    lane: Lane,
    *,
    address_like: bool,
) -> WorkflowMatch | RefusedEvent:
    """A workflow that subscribes to the event's type."""

    def refused(reason: Reason, detail: str) -> RefusedEvent:
        return RefusedEvent(reason, detail, event.tenant, event.id, published.workflow.key, event)

    if unusable := published.unusable:
        return refused(Reason.WORKFLOW_UNUSABLE, unusable)
    if decoded_data is msgspec.UNSET:
        return refused(Reason.DATA_INVALID, f"/data: must be JSON. {_TOO_DEEP}")
    if unfit := published.fault(decoded_data, len(memoryview(event.data))):
        return refused(*unfit)
    try:
        recipients = resolve_recipients(event, decoded_data, published, address_like=address_like)
        due = due_of(event, event_time=event_time, tolerance=CLOCK_TOLERANCE)
    except (RecipientsInvalid, ValueRefused) as error:
        return refused(*_refusal_of(error))
    return WorkflowMatch(
        published,
        recipients,
        event.data,
        decoded_data,
        slowest(lane, published.workflow.lane),
        due_at=due,
        cancel_key=event.cancel_key,
    )


def _decode_bounded(raw: msgspec.Raw) -> Any:
    """The JSON value; `msgspec.UNSET` where it is none, or nests deeper than the contract allows."""
    try:
        value = _decode(raw)
    except UNREADABLE_ERRORS:
        return msgspec.UNSET
    text = bytes(raw)
    if len(text) <= 2 * JSON_DEPTH:  # too short to nest deeper
        return value
    if text.count(b"{") + text.count(b"[") > JSON_DEPTH and too_deep(value):
        return msgspec.UNSET
    return value


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
