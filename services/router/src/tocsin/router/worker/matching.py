"""What one workflow makes of an event: for whom, with what data, when and on which lane; or the reason why it does not take it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tocsin.contracts.attachments import Attachment
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_request, describe_error, unknown_field
from tocsin.contracts.events import Event, NotificationRequest
from tocsin.contracts.limits import JSON_DEPTH, MESSAGE_LIFE_SECONDS
from tocsin.contracts.send_times import CLOCK_TOLERANCE, due_of
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attachments import attachments
from tocsin.contracts.values.cancellation import cancel_key_of
from tocsin.contracts.values.json_depth import too_deep
from tocsin.contracts.values.link import link
from tocsin.contracts.vocabulary import Lane, Reason, slowest
from tocsin.router.worker.directory import PublishedDirectory, PublishedWorkflow
from tocsin.router.worker.recipients import (
    RecipientRef,
    RecipientsInvalid,
    deduplicated,
    judge,
    resolve_recipients,
)

T = TypeVar("T")
_LIFE: Final = timedelta(seconds=MESSAGE_LIFE_SECONDS) + CLOCK_TOLERANCE
_decode = msgspec.json.decode
_TOO_DEEP: Final = f"JSON may nest {JSON_DEPTH} deep."


class WorkflowMatch(msgspec.Struct, frozen=True):
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
    attachments: Sequence[Attachment] = ()


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


def match_request(
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
    decoded_data = decode_bounded(request.data)
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
        request.attachments,
    )


class _Asked(msgspec.Struct, frozen=True):
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
    if request.attachments:
        _judged("/data/attachments", attachments, request.attachments)
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
    """Why a request is refused whose recipients, actor, link, attachments, times or cancellation key cannot be used."""
    if isinstance(error, RecipientsInvalid):
        return error.reason, str(error)
    return Reason(error.code), f"{error.pointer}: {error.sentence}"


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


def match_subscriber(
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


def decode_bounded(raw: msgspec.Raw) -> Any:
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
