"""An event record becomes a plan: which workflows, for whom, on which lane; or the reason why not."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.contracts.cloudevents import EventInvalid, read_kafka
from tocsin.contracts.codec import Unreadable, decode_request, fault_in
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event, NotificationRequest
from tocsin.contracts.ids import valid_tenant
from tocsin.contracts.intents import Continuation
from tocsin.contracts.limits import JSON_DEPTH
from tocsin.contracts.vocabulary import Lane, Reason, slowest
from tocsin.kafka import Record
from tocsin.router.worker.audience import AudienceInvalid, Recipient, digest, each_once, found_in, is_sound
from tocsin.router.worker.directory import PublishedDirectory, PublishedWorkflow

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.json.decode
_TOO_DEEP: Final = f"JSON may nest {JSON_DEPTH} deep."


class Target(NamedTuple):
    """One workflow an event triggers: for whom, with what data, on which lane."""

    published: PublishedWorkflow
    recipients: list[Recipient]
    data: msgspec.Raw
    decoded: Any
    lane: Lane
    actor: Recipient | None = None
    expires_at: datetime | None = None


class Refusal(NamedTuple):
    """Why an event cannot be taken, or not by one of its workflows. No value of the event's is repeated."""

    reason: Reason
    detail: str
    tenant: str = ""
    event_id: str = ""
    workflow: str | None = None
    event: Event | None = None
    """The event, where the record was one."""


class Plan(NamedTuple):
    """A valid event: its targets, and the workflows that refused it. Neither: nobody subscribes."""

    event: Event
    event_time: datetime
    targets: list[Target]
    refusals: list[Refusal]


def time_of(record: Record) -> datetime:
    """When the broker stored the record, UTC."""
    return _EPOCH + timedelta(milliseconds=record.timestamp_ms)


def read_event(
    record: Record, *, lane: Lane, directory: PublishedDirectory, default_tenant: str | None
) -> Plan | Refusal:
    """The plan for a record of `events.<lane>`. Nothing that a producer may write raises."""
    try:
        event = read_kafka(record.headers, record.value, default_tenant=default_tenant)
    except EventInvalid as invalid:
        first = invalid.faults[0]
        return Refusal(first.reason, str(invalid)[:1000], *_identity(record, default_tenant))
    return plan(event, event_time=time_of(record), lane=lane, directory=directory)


def plan(event: Event, *, event_time: datetime, lane: Lane, directory: PublishedDirectory) -> Plan | Refusal:
    """What the event asks for, by the workflows as they are published now."""
    if directory.tenant(event.tenant) is None:
        return Refusal(Reason.TENANT_UNKNOWN, "/tenant: there is no such tenant.", event_id=event.id)
    if event.type == NOTIFICATION_REQUESTED:
        found = _requested(event, lane=lane, directory=directory)
        return found if isinstance(found, Refusal) else Plan(event, event_time, [found], [])
    subscribers = directory.subscribers(event.tenant, event.type)
    data = _decoded(event.data) if subscribers else None
    targets: list[Target] = []
    refusals: list[Refusal] = []
    for published in subscribers:
        one = _subscribed(event, data, published, lane)
        if isinstance(one, Target):
            targets.append(one)
        else:
            refusals.append(one)
    return Plan(event, event_time, targets, refusals)


def plan_rest(rest: Continuation, *, directory: PublishedDirectory) -> Plan | Refusal:
    """The plan of a fan-out that goes on: the one workflow, as it is published now, on the lane it was given."""
    event = rest.event
    if event.type == NOTIFICATION_REQUESTED:
        one = _requested(event, lane=rest.lane, directory=directory)
    else:
        published = directory.workflow(event.tenant, rest.workflow)
        if published is None:
            detail = "The workflow was withdrawn while its event was being fanned out."
            return Refusal(Reason.WORKFLOW_UNKNOWN, detail, event.tenant, event.id, rest.workflow, event)
        one = _subscribed(event, _decoded(event.data), published, rest.lane)
    if isinstance(one, Refusal):
        return one
    if rest.recipients_sha256 not in (None, digest(one.recipients)):
        detail = (
            f"The workflow was changed while its event was being fanned out (revision {rest.revision} to "
            f"{one.published.workflow.revision}), and finds other recipients now: the first {rest.cursor} of before have "
            "their notifications, the others have none. Send the event to those again, under a new id."
        )
        return Refusal(Reason.RECIPIENTS_INVALID, detail, event.tenant, event.id, rest.workflow, event)
    return Plan(event, rest.event_time, [one._replace(lane=rest.lane)], [])


def _requested(event: Event, *, lane: Lane, directory: PublishedDirectory) -> Target | Refusal:
    def refused(reason: Reason, detail: str, workflow: str | None = None) -> Refusal:
        return Refusal(reason, detail, event.tenant, event.id, workflow, event)

    try:
        request = decode_request(event.data)
    except Unreadable as error:
        return refused(Reason.DATA_INVALID, f"{fault_in(error, at='/data')}.")
    published = directory.workflow(event.tenant, request.workflow)
    if published is None or not published.usable:
        return refused(Reason.WORKFLOW_UNKNOWN, "/data/workflow: no published workflow has this key.")
    data = _decoded(request.data)
    fault = _request_fault(request, data) or published.fault(data)
    if fault is not None:
        return refused(Reason.DATA_INVALID, f"/data{fault}", request.workflow)
    try:
        recipients = each_once(request.recipients)
    except AudienceInvalid as error:
        return refused(Reason.RECIPIENTS_INVALID, f"/data/recipients: {error}", request.workflow)
    return Target(
        published,
        recipients,
        request.data,
        data,
        slowest(lane, published.workflow.lane, request.lane),
        request.actor,
        request.expires_at,
    )


def _request_fault(request: NotificationRequest, data: Any) -> str | None:
    """What of the request, beside its recipients, is not as the contract has it."""
    if type(data) is not dict:
        return f"/data: must be an object. {_TOO_DEEP}"
    if request.expires_at is not None and request.expires_at.tzinfo is None:
        return "/expires_at: must name its offset from UTC."
    if request.actor is not None and not is_sound(request.actor):
        return "/actor: an id has 1 to 256 bytes and no control characters."
    return None


def _subscribed(event: Event, data: Any, published: PublishedWorkflow, lane: Lane) -> Target | Refusal:
    def refused(reason: Reason, detail: str) -> Refusal:
        return Refusal(reason, detail, event.tenant, event.id, published.workflow.key, event)

    if not published.usable:
        return refused(Reason.WORKFLOW_UNKNOWN, "The workflow cannot be used; publish it again.")
    if data is msgspec.UNSET:
        return refused(Reason.DATA_INVALID, f"/data: must be JSON. {_TOO_DEEP}")
    fault = published.fault(data)
    if fault is not None:
        return refused(Reason.DATA_INVALID, fault)
    try:
        recipients = found_in(event, data, published)
    except AudienceInvalid as error:
        return refused(Reason.RECIPIENTS_INVALID, str(error))
    return Target(published, recipients, event.data, data, slowest(lane, published.workflow.lane))


def _decoded(raw: msgspec.Raw) -> Any:
    """The JSON value; `msgspec.UNSET` where it is none, or nests deeper than the contract allows."""
    try:
        data = _decode(raw)
    except Unreadable:
        return msgspec.UNSET
    text = bytes(raw)
    if len(text) <= 2 * JSON_DEPTH:  # too short to nest deeper
        return data
    if text.count(b"{") + text.count(b"[") > JSON_DEPTH and _depth_exceeds(data, JSON_DEPTH):
        return msgspec.UNSET
    return data


def _depth_exceeds(data: Any, depth: int) -> bool:
    level = [data]
    for _ in range(depth):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _identity(record: Record, default_tenant: str | None) -> tuple[str, str]:
    """Tenant and event id of a record that is no valid event, as far as its headers tell."""
    found = {name.lower(): value.decode(errors="replace") for name, value in record.headers}
    tenant, event_id = found.get("ce_tenant") or default_tenant or "", found.get("ce_id", "")
    sound = len(event_id) <= 1024 and event_id.isprintable()
    return tenant if valid_tenant(tenant) else "", event_id if sound else ""
