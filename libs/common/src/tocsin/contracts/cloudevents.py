"""CloudEvents 1.0 on Kafka and HTTP: binary and structured mode, read into an `Event` or refused field by field.

Rules come from the CloudEvents 1.0.2 core, Kafka and HTTP bindings, and the distributed-tracing extension.
Extension attributes of our own: `tenant`, `test` (`true` or `false`), `cancelkey`, `sendat` (a time) and `delay` (seconds). An attribute
that is nearly called so (`send_at`) is refused; all others are a stranger's, and ignored.
What is said of a refused event repeats nothing a producer typed, but for a name that is nearly one of ours: it goes into statuses and logs.
"""

import re
from base64 import b64decode
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from tocsin.contracts.event_attributes import (
    EventFault,
    cancel_key_of,
    delay_of,
    misnamed_headers,
    near_miss,
    optional_text,
    required_text,
    tenant_of,
    test_of,
    time_of,
)
from tocsin.contracts.events import Event
from tocsin.contracts.limits import EVENT_DATA_BYTES, JSON_DEPTH
from tocsin.contracts.traces import valid_traceparent
from tocsin.contracts.values.attribute_name import KNOWN, near_misses
from tocsin.contracts.vocabulary import Reason

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
_ANY_STRUCTURED = "application/cloudevents"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"').fullmatch
_ESCAPED = re.compile(r"\\(.)")
_NULL = msgspec.Raw(b"null")
_USUAL_HEADERS = frozenset({"content-type", "traceparent", *(f"ce_{name}" for name in KNOWN)})
"""Where a record has no others, none is misnamed."""
_JSON_RULE = f"UTF-8, nested at most {JSON_DEPTH} deep"


class EventInvalid(Exception):
    """The record is no event Tocsin can take. `faults` says each thing wrong and how to mend it; resend when mended."""

    def __init__(self, faults: list[EventFault]) -> None:
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults))
        self.faults = faults


class _Structured(msgspec.Struct):
    specversion: Any = None
    id: Any = None
    source: Any = None
    type: Any = None
    subject: Any = None
    time: Any = None
    datacontenttype: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    tenant: Any = None
    test: Any = None
    traceparent: Any = None
    sendat: Any = None
    delay: Any = None
    cancelkey: Any = None


_ATTRIBUTES = tuple(name for name in _Structured.__struct_fields__ if not name.startswith("data"))
_decode_structured = msgspec.json.Decoder(_Structured).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_json = msgspec.json.decode
_encode = msgspec.json.encode


def read_kafka(
    headers: Collection[tuple[str, bytes]], value: bytes | None, *, default_tenant: str | None = None
) -> Event:
    """The event in a Kafka record, in either mode; raises `EventInvalid` with every fault found."""
    by_name, faults = dict(headers), list[EventFault]()
    if not _USUAL_HEADERS.issuperset(by_name):
        by_name = {name.lower(): content for name, content in headers}
        faults = misnamed_headers(by_name, right="ce_", wrong="ce-")
    content_type = by_name.get("content-type", b"").decode(errors="replace")
    traceparent = text_of(by_name["traceparent"]) if "traceparent" in by_name else None
    if (media := media_type(content_type)).startswith(_ANY_STRUCTURED):
        if media != STRUCTURED:
            detail = f"A record holds one event: send content-type {STRUCTURED}, or binary mode."
            raise EventInvalid([EventFault(Reason.NOT_A_CLOUDEVENT, "", detail)])
        return read_structured(value or b"", default_tenant=default_tenant, traceparent=traceparent)
    attributes: dict[str, object] = {
        name[3:]: text_of(content) for name, content in by_name.items() if name.startswith("ce_")
    }
    attributes["traceparent"] = _trace(attributes.get("traceparent"), traceparent)
    return _binary(attributes, content_type, value or b"", default_tenant=default_tenant, faults=faults)


def read_http_binary(headers: Mapping[str, str], body: bytes, *, default_tenant: str | None = None) -> Event:
    """The event in an HTTP request in binary mode; raises `EventInvalid`. `headers` are read as Latin-1, as ASGI servers do.

    Of a `ce-` header's value double quotes are taken away first, then it is percent-decoded once.
    """
    attributes: dict[str, object] = {
        name.lower()[3:]: _header_text(content)
        for name, content in headers.items()
        if name.lower().startswith("ce-")
    }
    attributes["traceparent"] = _trace(attributes.get("traceparent"), headers.get("traceparent"))
    faults = misnamed_headers((name.lower() for name in headers), right="ce-", wrong="ce_")
    return _binary(
        attributes, headers.get("content-type", ""), body, default_tenant=default_tenant, faults=faults
    )


def read_structured(body: bytes, *, default_tenant: str | None = None, traceparent: object = None) -> Event:
    """The event in one JSON envelope; raises `EventInvalid`. The envelope's own `traceparent` wins over the argument."""
    try:
        envelope = _decode_structured(body)
        faults = [near_miss(name, meant) for name, meant in near_misses(_decode_names(body))]
    except RecursionError as error:
        raise _data_invalid() from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"The body must be a JSON object ({_JSON_RULE})."
        raise EventInvalid([EventFault(Reason.NOT_A_CLOUDEVENT, "", detail)]) from error
    attributes = {name: getattr(envelope, name) for name in _ATTRIBUTES}
    attributes["traceparent"] = _trace(envelope.traceparent, traceparent)
    content_type = envelope.datacontenttype or JSON
    if not isinstance(content_type, str):
        content_type = ""
    data = _structured_data(envelope, content_type)
    return _event(attributes, content_type, data, default_tenant=default_tenant, faults=faults)


def _structured_data(envelope: _Structured, content_type: str) -> msgspec.Raw:
    """What `data` holds, or what `data_base64` stands for: JSON in both."""
    data, encoded = envelope.data, envelope.data_base64
    if encoded is not msgspec.UNSET and encoded != _NULL:
        if data is not msgspec.UNSET and data != _NULL:
            raise _data_invalid("/data_base64", "Send either `data` or `data_base64`.")
        return _decoded_base64(encoded, content_type)
    if data is msgspec.UNSET:
        return _NULL
    try:
        bytes(data).decode()  # it was skipped over, not read
    except UnicodeDecodeError as error:
        raise _data_invalid() from error
    return data


def _decoded_base64(encoded: msgspec.Raw, content_type: str) -> msgspec.Raw:
    """The bytes. What is no JSON by its own content type is not looked at: it is refused for that."""
    try:
        body = b64decode(_decode_json(encoded, type=str), validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise _data_invalid("/data_base64", "Must be a string in base64 (RFC 4648).") from error
    if not body:
        return _NULL
    if _is_json(content_type):
        _require_json(body, "/data_base64")
    return msgspec.Raw(body)


def _binary(
    attributes: Mapping[str, Any],
    content_type: str,
    body: bytes,
    *,
    default_tenant: str | None,
    faults: list[EventFault],
) -> Event:
    if not attributes.get("specversion") and not attributes.get("id"):
        fault = EventFault(
            Reason.NOT_A_CLOUDEVENT,
            "",
            f"Neither `ce_specversion`/`ce_id` headers nor content-type {STRUCTURED}: send a CloudEvent in either mode.",
        )
        raise EventInvalid([fault])
    if body:
        _require_json(body, "/data")
    data = msgspec.Raw(body) if body else _NULL
    return _event(attributes, content_type or JSON, data, default_tenant=default_tenant, faults=faults)


def _require_json(body: bytes, pointer: str) -> None:
    try:
        _decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _data_invalid(pointer) from error


def _data_invalid(
    pointer: str = "/data", detail: str = f"The data must be JSON ({_JSON_RULE})."
) -> EventInvalid:
    return EventInvalid([EventFault(Reason.DATA_INVALID, pointer, detail)])


def _event(
    attributes: Mapping[str, Any],
    content_type: str,
    data: msgspec.Raw,
    *,
    default_tenant: str | None,
    faults: list[EventFault],
) -> Event:
    """The event, unless `faults` of its names were found before, or others in what its attributes say."""
    if attributes.get("specversion") != "1.0":
        faults.append(EventFault(Reason.ATTRIBUTE_INVALID, "/specversion", "Must be the string `1.0`."))
    required = {name: required_text(attributes, name, faults) for name in ("id", "source", "type")}
    tenant = tenant_of(attributes.get("tenant") or default_tenant, faults)
    if not _is_json(content_type):
        detail = "Data must be JSON: `application/json`, or a type that ends in `+json`."
        faults.append(EventFault(Reason.DATA_INVALID, "/datacontenttype", detail))
    if len(bytes(data)) > EVENT_DATA_BYTES:
        faults.append(
            EventFault(Reason.DATA_TOO_LARGE, "/data", f"Data may be at most {EVENT_DATA_BYTES} bytes.")
        )
    subject = optional_text(attributes, "subject", faults)
    time = time_of(attributes.get("time"), faults)
    send_at = time_of(attributes.get("sendat"), faults, "/sendat")
    delay = delay_of(attributes.get("delay"), faults)
    test = test_of(attributes.get("test"), faults)
    key = cancel_key_of(attributes.get("cancelkey"), faults)
    if faults:
        raise EventInvalid(faults)
    return Event(
        tenant=tenant,
        id=required["id"],
        source=required["source"],
        type=required["type"],
        subject=subject,
        time=time,
        data=data,
        test=test,
        traceparent=attributes["traceparent"],
        send_at=send_at,
        delay=delay,
        cancel_key=key,
    )


def write_kafka(event: Event) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of the event in binary mode, as ingest writes it."""
    headers = [
        ("content-type", JSON.encode()),
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_tenant", event.tenant.encode()),
    ]
    if event.subject is not None:
        headers.append(("ce_subject", event.subject.encode()))
    if event.time is not None:
        headers.append(("ce_time", event.time.isoformat().encode()))
    if event.test:
        headers.append(("ce_test", b"true"))
    if event.send_at is not None:
        headers.append(("ce_sendat", event.send_at.isoformat().encode()))
    if event.delay is not None:
        headers.append(("ce_delay", str(event.delay).encode()))
    if event.cancel_key is not None:
        headers.append(("ce_cancelkey", event.cancel_key.encode()))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers, bytes(event.data)


@lru_cache(maxsize=64)
def media_type(content_type: str) -> str:
    """The type without its parameters, in small letters: media types know no case."""
    return content_type.split(";", 1)[0].strip().lower()


def text_of(content: bytes) -> str | bytes:
    """The text; or the bytes as they are where they are no UTF-8, for no attribute may be that."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _header_text(value: str) -> str | bytes:
    """What an HTTP header says: without double quotes and their escapes (RFC 9110, 5.6.4), then percent-decoded."""
    if value.isascii() and "%" not in value and not value.startswith('"'):
        return value
    quoted = _QUOTED(value)
    unquoted = value if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    return text_of(unquote_to_bytes(unquoted.encode("latin-1")))


def _trace(*given: object) -> str | None:
    """The first that has the form of a traceparent; as W3C asks, what has not is as good as absent."""
    for text in given:
        if isinstance(text, str) and valid_traceparent(text):
            return text
    return None


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    media = media_type(content_type)
    return media == JSON or media.endswith("+json") or media == "text/json"
