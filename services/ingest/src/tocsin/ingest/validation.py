"""Whether an event can be taken, by the directory as it stands now; and where in Kafka it goes."""

from dataclasses import dataclass
from typing import Final

import msgspec

from tocsin.contracts.codec import (
    decode_request,
)
from tocsin.contracts.events import (
    CANCELLATION_REQUESTED,
    NOTIFICATION_REQUESTED,
    Event,
    NotificationRequest,
)
from tocsin.contracts.ids import event_key, notification_id, recipient_key
from tocsin.contracts.send_times import due_of
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.attachments import attachments
from tocsin.contracts.values.cancellation import cancel_key_of, read_cancellation
from tocsin.contracts.values.identifier import recipient_id
from tocsin.contracts.values.link import link
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.vocabulary import Lane, Reason, fastest, slowest
from tocsin.ingest.directory import Directory
from tocsin.ingest.request_faults import RefusedByDirectory, code_of_data, explain, latest_expiry
from tocsin.ingest.settings import RequestLimits
from tocsin.runtime import Clock
from tocsin.web import Fault, Problem, codes

_decode_json = msgspec.json.decode
_NO_SUBJECT: Final = (
    "The event has no subject, which names the recipient. Set `subject` to the recipient's id"
)


class NamedNotification(msgspec.Struct, frozen=True):
    """One recipient that a request lists, and the id of the notification for that recipient."""

    recipient: str
    notification_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvent:
    """An event that may be stored: in `lane`, under `key`. `notifications` is None where nobody is listed."""

    event: Event
    lane: Lane
    key: bytes
    notifications: list[NamedNotification] | None = None

    @property
    def recipients(self) -> int:
        """How many it is for. Of a business event only its workflows know: it counts as one."""
        return 1 if self.notifications is None else len(self.notifications)

    @property
    def cancels(self) -> bool:
        """Whether it sends nothing, and takes back what was sent."""
        return self.event.type == CANCELLATION_REQUESTED


def validate_event(
    event: Event, *, directory: Directory, limits: RequestLimits, clock: Clock
) -> AcceptedEvent:
    """An event that came as a CloudEvent. Raises `Problem` with pointers into the envelope."""
    if event.type == NOTIFICATION_REQUESTED:
        return validate_request(event, directory=directory, limits=limits, clock=clock, prefix="/data")
    _check_size(event, "/data", limits)
    if event.type == CANCELLATION_REQUESTED:
        return validate_cancellation(event)
    _check_send_time(event, clock)
    try:
        data = _decode_json(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = Fault(pointer="/data", code="json_invalid", detail=f"Not JSON: {error}.")
        raise Problem(codes.INVALID_EVENT, "The data of the event is not JSON.", errors=[fault]) from error
    subscribers = directory.subscribers(event.tenant, event.type)
    if not subscribers:
        return AcceptedEvent(event=event, lane=Lane.TRANSACTIONAL, key=event_key(event.tenant, event.id))
    size = len(memoryview(event.data))
    if not any(workflow.accepts(data, size) for workflow in subscribers):
        # One workflow that can use the event would be enough. There is none, and here is why not.
        faults = [fault for workflow in subscribers for fault in workflow.faults(data, size, prefix="/data")]
        names = ", ".join(f"`{workflow.key}`" for workflow in subscribers)
        detail = f"The data fits no workflow that subscribes to this type of event ({names})."
        raise RefusedByDirectory(code_of_data(faults), detail, errors=faults)
    recipient = None
    if all(workflow.reaches_subject for workflow in subscribers):
        recipient = _recipient_of(event.subject, address_like=directory.address_like_ids(event.tenant))
    return AcceptedEvent(
        event=event,
        lane=fastest(*(workflow.lane for workflow in subscribers)),
        key=_key(event, recipient),
    )


def validate_request(
    event: Event, *, directory: Directory, limits: RequestLimits, clock: Clock, prefix: str = ""
) -> AcceptedEvent:
    """A direct request. Raises `Problem` with every fault there is; pointers into the request begin with `prefix`."""
    _check_size(event, prefix, limits)
    try:
        request = decode_request(bytes(event.data))
        data = _decode_json(request.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise explain(event, directory=directory, limits=limits, clock=clock, prefix=prefix) from None
    workflow = directory.workflow(event.tenant, request.workflow)
    address_like = directory.address_like_ids(event.tenant)
    sound = _sound(event, request, data, limits, clock, address_like=address_like)
    if workflow is None or not sound or not workflow.accepts(data, len(memoryview(request.data))):
        raise explain(event, directory=directory, limits=limits, clock=clock, prefix=prefix)
    notifications = []
    for listed in request.recipients:
        recipient = listed if isinstance(listed, str) else listed.id
        identity = notification_id(
            tenant=event.tenant,
            source=event.source,
            event_id=event.id,
            recipient=recipient,
            workflow=workflow.key,
        )
        notifications.append(NamedNotification(recipient, identity))
    return AcceptedEvent(
        event=event,
        lane=slowest(workflow.lane, request.lane),
        key=_key(event, notifications[0].recipient if len(notifications) == 1 else None),
        notifications=notifications,
    )


def validate_cancellation(event: Event) -> AcceptedEvent:
    """An event that cancels. Raises `Problem` with a pointer into the envelope."""
    try:
        asked = read_cancellation(event.data)
    except ValueRefused as refused:
        fault = Fault(pointer=f"/data{refused.pointer}", code=refused.code, detail=refused.sentence)
        raise Problem(codes.INVALID_EVENT, fault.detail, errors=[fault]) from refused
    event.data = msgspec.Raw(msgspec.json.encode(asked))
    return accepted_cancellation(event)


def accepted_cancellation(event: Event) -> AcceptedEvent:
    """A sound cancellation: it overtakes what waits in slower lanes."""
    return AcceptedEvent(event=event, lane=Lane.CRITICAL, key=event_key(event.tenant, event.id))


def _sound(
    event: Event,
    request: NotificationRequest,
    data: object,
    limits: RequestLimits,
    clock: Clock,
    *,
    address_like: bool,
) -> bool:
    try:
        due = due_of(event, request, event_time=clock.now())
        cancel_key_of(event, request)
        for recipient in request.recipients:
            judge_recipient(recipient, address_like=address_like)
        if request.actor is not None:
            judge_recipient(request.actor, address_like=address_like)
        if request.link is not None:
            link(request.link)
        if request.attachments:
            attachments(request.attachments)
    except ValueRefused:
        return False
    expires_at = request.expires_at
    return (
        type(data) is dict
        and 1 <= len(request.recipients) <= limits.recipients
        and (
            expires_at is None or (expires_at.tzinfo is not None and expires_at <= latest_expiry(clock, due))
        )
    )


def _recipient_of(subject: str | None, *, address_like: bool) -> str:
    """All that subscribe to the event would send to its subject, so that it names a recipient or reaches nobody."""
    if subject is None:
        raise _names_nobody(Reason.RECIPIENTS_INVALID, _NO_SUBJECT)
    try:
        return recipient_id(subject, address_like=address_like)
    except ValueRefused as refused:
        raise _names_nobody(refused.code, refused.detail) from refused


def _names_nobody(code: str, detail: str) -> Problem:
    fault = Fault(pointer="/subject", code=code, detail=detail)
    return RefusedByDirectory(codes.INVALID_EVENT, f"{detail}.", errors=[fault])


def _check_send_time(event: Event, clock: Clock) -> None:
    try:
        due_of(event, event_time=clock.now())
    except ValueRefused as refused:
        fault = Fault(pointer=refused.pointer, code=refused.code, detail=refused.sentence)
        raise Problem(codes.INVALID_EVENT, fault.detail, errors=[fault]) from refused


def _check_size(event: Event, pointer: str, limits: RequestLimits) -> None:
    if len(bytes(event.data)) > limits.data_bytes:
        detail = f"The data of an event may be at most {limits.data_bytes} bytes."
        fault = Fault(pointer=pointer, code="too_large", detail=detail)
        raise Problem(codes.DATA_TOO_LARGE, detail, errors=[fault])


def _key(event: Event, only_recipient: str | None) -> bytes:
    """An event for one recipient goes to the partition of that recipient, and is decided there at once."""
    if only_recipient is not None:
        return recipient_key(event.tenant, only_recipient)
    return event_key(event.tenant, event.id)
