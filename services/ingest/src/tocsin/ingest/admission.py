"""Whether an event may come in, and where in Kafka it goes."""

from dataclasses import dataclass
from typing import Final

import msgspec

from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import event_key, notification_id, recipient_key, valid_recipient
from tocsin.contracts.vocabulary import Lane, fastest, slowest
from tocsin.ingest.direct_request import DirectRequest, read_direct_request
from tocsin.ingest.directory import Directory
from tocsin.ingest.intake_limits import IntakeLimits
from tocsin.ingest.published_workflow import PublishedWorkflow
from tocsin.web import Fault, Problem, codes

_decode_json = msgspec.json.decode


class NamedNotification(msgspec.Struct, frozen=True):
    """One recipient a request lists, and the id of what he gets."""

    recipient: str
    notification_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An event that may be stored: in `lane`, under `key`. `notifications` is None where nobody is listed."""

    event: Event
    lane: Lane
    key: bytes
    notifications: list[NamedNotification] | None = None


class Admission:
    """Judges events by the directory as it stands now."""

    def __init__(self, *, directory: Directory, limits: IntakeLimits) -> None:
        self._directory: Final = directory
        self._limits: Final = limits

    def admit_request(self, event: Event) -> Admitted:
        """A direct request that came as the body itself; raises `Problem` with pointers into the body."""
        return self._direct(event, prefix="")

    def admit_event(self, event: Event) -> Admitted:
        """Any event; raises `Problem` with pointers into the CloudEvents envelope."""
        self._check_size(event, "/data")
        if event.type == NOTIFICATION_REQUESTED:
            return self._direct(event, prefix="/data")
        return self._business(event)

    def _direct(self, event: Event, *, prefix: str) -> Admitted:
        self._check_size(event, prefix)
        found = read_direct_request(
            bytes(event.data),
            tenant=event.tenant,
            directory=self._directory,
            limits=self._limits,
            prefix=prefix,
        )
        notifications = _named(event, found)
        lane = slowest(found.workflow.lane, found.request.lane)
        only = notifications[0].recipient if len(notifications) == 1 else None
        return Admitted(event=event, lane=lane, key=_key(event, only), notifications=notifications)

    def _business(self, event: Event) -> Admitted:
        data = _readable(event)
        subscribers = self._directory.subscribers(event.tenant, event.type)
        if not subscribers:
            return Admitted(event=event, lane=Lane.TRANSACTIONAL, key=_key(event, None))
        if not any(one.accepts(data) for one in subscribers):
            raise _fits_nobody(subscribers, data)
        to_subject = event.subject if all(one.reaches_subject for one in subscribers) else None
        only = to_subject if to_subject is not None and valid_recipient(to_subject) else None
        return Admitted(event=event, lane=fastest(*(one.lane for one in subscribers)), key=_key(event, only))

    def _check_size(self, event: Event, pointer: str) -> None:
        if len(bytes(event.data)) > self._limits.data_bytes:
            detail = f"The data of an event may be at most {self._limits.data_bytes} bytes."
            fault = Fault(pointer=pointer, code="too_large", detail=detail)
            raise Problem(codes.DATA_TOO_LARGE, detail, errors=[fault])


def _key(event: Event, only_recipient: str | None) -> bytes:
    """An event for one recipient lies where everything about him lies, and is decided there at once."""
    if only_recipient is not None:
        return recipient_key(event.tenant, only_recipient)
    return event_key(event.tenant, event.id)


def _named(event: Event, found: DirectRequest) -> list[NamedNotification]:
    named = []
    for one in found.request.recipients:
        recipient = one if isinstance(one, str) else one.id
        notification = notification_id(
            tenant=event.tenant,
            source=event.source,
            event_id=event.id,
            recipient=recipient,
            workflow=found.workflow.key,
        )
        named.append(NamedNotification(recipient, notification))
    return named


def _readable(event: Event) -> object:
    try:
        return _decode_json(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = Fault(pointer="/data", code="json_invalid", detail=f"Not JSON: {error}.")
        raise Problem(codes.INVALID_EVENT, "The data of the event is not JSON.", errors=[fault]) from error


def _fits_nobody(subscribers: tuple[PublishedWorkflow, ...], data: object) -> Problem:
    """One workflow that can use the event is enough to take it; here is none, and why not."""
    faults = [fault for one in subscribers for fault in one.faults(data, prefix="/data")]
    names = ", ".join(f"`{one.key}`" for one in subscribers)
    detail = f"The data fits no workflow that subscribes to this type of event ({names})."
    return Problem(codes.INVALID_DATA, detail, errors=faults)
