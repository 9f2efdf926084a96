"""HTTP requests into events: bytes in, an `Event` of the caller's tenant out, or the problem that says what is wrong.

Nothing here needs the directory; whether an event can be taken is decided in `validation`.
"""

import os
import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from fastapi import Request

from tocsin.contracts.cloudevents import (
    BATCH,
    STRUCTURED,
    EventInvalid,
    media_type,
    read_http_binary,
    read_structured,
)
from tocsin.contracts.events import CANCELLATION_REQUESTED, NOTIFICATION_REQUESTED, CancellationRequest, Event
from tocsin.contracts.ids import CANCELLATION_SOURCE, INGEST_SOURCE
from tocsin.contracts.limits import IDEMPOTENCY_KEY_CHARS
from tocsin.contracts.traces import unsampled
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import admitted, current_traceparent, is_sampled, recording
from tocsin.runtime import Clock
from tocsin.web import Caller, Fault, Posted, Problem, codes

MODES: Final = (
    f"Send one event as {STRUCTURED}, a batch as {BATCH}, or JSON data with the attributes in `ce-` headers."
)
_KEY_RULE: Final = f"It must be 1 to {IDEMPOTENCY_KEY_CHARS} printable characters."
_random: Final = random.Random()  # ids of traces need to be unique, not secret
_split_batch: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def parse_notification(posted: Posted, *, clock: Clock) -> Event:
    """The event that a direct request is. Its id is the `Idempotency-Key`, or else a new one."""
    caller = posted.caller
    return Event(
        tenant=caller.tenant,
        source=INGEST_SOURCE,
        id=_event_id(posted.headers, clock),
        type=NOTIFICATION_REQUESTED,
        data=msgspec.Raw(posted.body),
        test=caller.test,
        traceparent=_traceparent(None),
    )


def cancellation_event(
    request: Request, asked: CancellationRequest, *, caller: Caller, clock: Clock
) -> Event:
    """The event that a request to cancel is, under a source of its own: a key of the caller's may be that of what is cancelled."""
    return Event(
        tenant=caller.tenant,
        source=CANCELLATION_SOURCE,
        id=_event_id(request.scope["headers"], clock),
        type=CANCELLATION_REQUESTED,
        data=msgspec.Raw(msgspec.json.encode(asked)),
        test=caller.test,
        traceparent=_traceparent(None),
    )


def parse_event(headers: Mapping[str, str], body: bytes, *, caller: Caller) -> Event:
    """The one event of a request in structured or binary mode."""
    media = media_type_of(headers)
    if media == STRUCTURED:
        return parse_structured(body, caller=caller)
    if media.startswith("application/cloudevents") or not any(name.startswith("ce-") for name in headers):
        raise Problem(codes.UNSUPPORTED_MEDIA_TYPE, MODES)
    try:
        event = read_http_binary(headers, body, default_tenant=caller.tenant)
    except EventInvalid as invalid:
        raise _invalid_event(invalid) from invalid
    if "ce-traceparent" not in headers:
        # `traceparent` is the request's own; the event continues the span that was opened for the request.
        event.traceparent = None
    return _owned(event, caller)


def parse_structured(envelope: bytes, *, caller: Caller) -> Event:
    """The event in one JSON envelope: a request in structured mode, or one item of a batch."""
    try:
        event = read_structured(envelope, default_tenant=caller.tenant)
    except EventInvalid as invalid:
        raise _invalid_event(invalid) from invalid
    return _owned(event, caller)


def split_batch(body: bytes, *, most: int) -> list[bytes]:
    """The envelopes of a batch, not read yet."""
    try:
        envelopes = _split_batch(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(codes.INVALID_JSON, f"The batch is no JSON array of events: {error}.") from error
    if len(envelopes) > most:
        raise Problem(codes.TOO_MANY_ITEMS, f"At most {most} events are taken in one batch.")
    return [bytes(envelope) for envelope in envelopes]


class _WithId(msgspec.Struct):
    id: str | None = None


def readable_id(envelope: bytes) -> str | None:
    """The id of an event that was refused, where it can be read, so that the caller knows which event it was."""
    try:
        return msgspec.json.decode(envelope, type=_WithId).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def media_type_of(headers: Mapping[str, str]) -> str:
    """The content type without its parameters."""
    return media_type(headers.get("content-type", ""))


def new_event_id(clock: Clock) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, 74 random bits."""
    number = clock.time_ms() << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76  # the version
    number = number & ~(0x3 << 62) | 0x2 << 62  # the variant
    return str(uuid.UUID(int=number))


def _event_id(headers: Iterable[tuple[bytes, bytes]], clock: Clock) -> str:
    # Starlette reads headers as Latin-1, and keys are UTF-8: so the header's own bytes are needed.
    for name, value in headers:
        if name == b"idempotency-key":
            return _idempotency_key(value)
    return new_event_id(clock)


def _idempotency_key(header: bytes) -> str:
    try:
        key = header.decode()
    except UnicodeDecodeError:
        key = ""
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS or not is_line(key):
        fault = Fault(pointer="header:Idempotency-Key", code="invalid", detail=_KEY_RULE)
        raise Problem(codes.INVALID_IDEMPOTENCY_KEY, _KEY_RULE, errors=[fault])
    return key


def _owned(event: Event, caller: Caller) -> Event:
    """The event under the caller's tenant, as part of a trace; a test key makes every event a test."""
    if event.tenant != caller.tenant:
        detail = "The tenant comes from the API key; leave `tenant` out, or name the key's own."
        fault = Fault(pointer="/tenant", code="tenant_differs", detail=detail)
        raise Problem(codes.INVALID_EVENT, detail, errors=[fault])
    event.test = event.test or caller.test
    event.traceparent = _traceparent(event.traceparent)
    return event


def _traceparent(own: str | None) -> str:
    """The event's own `traceparent`, else that of the request, else a new one.

    A new one is not sampled. It makes one id lead through every topic, even where nobody records spans.
    """
    of_request = current_traceparent()
    if own is None:
        return of_request or f"00-{_random.getrandbits(128) | 1:032x}-{_random.getrandbits(64) | 1:016x}-00"
    if recording(own) and of_request is not None and of_request[3:35] == own[3:35]:
        return own if is_sampled(of_request) else unsampled(own)  # as was decided of the request
    return admitted(own) or own


def _invalid_event(invalid: EventInvalid) -> Problem:
    faults = [
        Fault(pointer=fault.pointer, code=fault.reason.value, detail=fault.detail) for fault in invalid.faults
    ]
    too_large = all(fault.reason is Reason.DATA_TOO_LARGE for fault in invalid.faults)
    summary = f"{len(faults)} faults; see errors" if len(faults) > 1 else faults[0].detail.rstrip(".")
    code = codes.DATA_TOO_LARGE if too_large else codes.INVALID_EVENT
    return Problem(code, f"The event cannot be taken: {summary}.", errors=faults)
