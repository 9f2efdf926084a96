"""What may be cancelled, and what an event asks to cancel: one notification by its id, or what was sent under a key."""

from typing import Final
from uuid import UUID

import msgspec

from tocsin.contracts.codec import (
    UNREADABLE_ERRORS,
    decode_cancellation_request,
    describe_error,
    unknown_field,
)
from tocsin.contracts.events import CancellationRequest, Event, NotificationRequest
from tocsin.contracts.values.cancel_key import cancel_key
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

_ONE: Final = "Name what is to be cancelled, once: `notification_id`, or the `key` of the events"
_TWICE: Final = "Write the cancellation key once: in the event's `cancelkey`, or in the request"
_UUID: Final = "Not the id of a notification. It is a UUID, as the answer to the request has it"


def read_cancellation(data: bytes | msgspec.Raw) -> CancellationRequest:
    """What the data of an event that cancels ask for. Raises ValueRefused; its pointer begins in the data."""
    try:
        return cancellation(decode_cancellation_request(data))
    except UNREADABLE_ERRORS as error:
        unknown = unknown_field(error, known=CancellationRequest)
        pointer, _, detail = (unknown or describe_error(error)).partition(": ")
        code = Reason.DATA_INVALID if unknown is None else Reason.FIELD_UNKNOWN
        raise ValueRefused(code, detail.rstrip("."), pointer=pointer.rstrip("/")) from error


def cancellation(request: CancellationRequest) -> CancellationRequest:
    """The same in its canonical form. Raises ValueRefused; its pointer begins in the request."""
    if (request.notification_id is None) == (request.key is None):
        raise ValueRefused(Reason.DATA_INVALID, _ONE)
    if request.key is None:
        return CancellationRequest(notification_id=_notification_id(request.notification_id or ""))
    try:
        return CancellationRequest(key=cancel_key(request.key))
    except ValueRefused as refused:
        raise refused.below("/key") from refused


def cancel_key_of(event: Event, request: NotificationRequest) -> str | None:
    """The key under which a direct request may be cancelled. Raises ValueRefused; its pointer begins in the request."""
    if request.cancel_key is None:
        return event.cancel_key
    if event.cancel_key is not None:
        raise ValueRefused(Reason.CANCEL_KEY_INVALID, _TWICE, pointer="/cancel_key")
    try:
        return cancel_key(request.cancel_key)
    except ValueRefused as refused:
        raise refused.below("/cancel_key") from refused


def _notification_id(text: str) -> str:
    """As it stands in records: a UUID in small letters, with its hyphens."""
    try:
        canonical = str(UUID(text))
    except ValueError:
        canonical = ""
    if canonical != text.lower():
        raise ValueRefused(Reason.DATA_INVALID, _UUID, pointer="/notification_id")
    return canonical
