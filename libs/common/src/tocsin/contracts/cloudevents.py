"""CloudEvents 1.0 on Kafka and HTTP: binary and structured mode, read into an `Event` or refused field by field.

Rules come from the CloudEvents 1.0.2 core, Kafka and HTTP bindings, and the distributed-tracing extension.
Extension attributes of our own: `tenant` and `test` (`true`).
What is said of a refused event repeats nothing a producer typed: it goes into statuses and logs.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from tocsin.contracts.events import Event
from tocsin.contracts.ids import valid_tenant
from tocsin.contracts.limits import EVENT_DATA_BYTES, JSON_DEPTH
from tocsin.contracts.traces import valid_traceparent
from tocsin.contracts.vocabulary import Reason

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
_TRUE = frozenset({"true", "1"})
_NULL = msgspec.Raw(b"null")
_JSON_RULE = f"UTF-8, nested at most {JSON_DEPTH} deep"


class Fault(NamedTuple):
    """One thing wrong with an event: `pointer` is a JSON pointer into the envelope (`/source`, `/data/workflow`)."""

    reason: Reason
    pointer: str
    detail: str


class EventInvalid(Exception):
    """The record is no event Tocsin can take. `faults` says each thing wrong and how to mend it; resend when mended."""

    def __init__(self, faults: list[Fault]) -> None:
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


_decode_structured = msgspec.json.Decoder(_Structured).decode
_decode_json = msgspec.json.decode
_encode = msgspec.json.encode


def read_kafka(
    headers: Iterable[tuple[str, bytes]], value: bytes | None, *, default_tenant: str | None = None
) -> Event:
    """The event in a Kafka record, in either mode; raises `EventInvalid` with every fault found."""
    by_name = {name.lower(): content for name, content in headers}
    content_type = by_name.get("content-type", b"").decode(errors="replace")
    if content_type.startswith(STRUCTURED):
        return read_structured(
            value or b"", default_tenant=default_tenant, traceparent=_text(by_name.get("traceparent"))
        )
    attributes = {name[3:]: _text(content) for name, content in by_name.items() if name.startswith("ce_")}
    attributes["traceparent"] = _trace(attributes.get("traceparent"), _text(by_name.get("traceparent")))
    return _binary(attributes, content_type, value or b"", default_tenant=default_tenant)


def read_http_binary(headers: Mapping[str, str], body: bytes, *, default_tenant: str | None = None) -> Event:
    """The event in an HTTP request in binary mode (`ce-` headers, percent-decoded); raises `EventInvalid`."""
    attributes: dict[str, str | None] = {
        name.lower()[3:]: unquote(content)
        for name, content in headers.items()
        if name.lower().startswith("ce-")
    }
    attributes["traceparent"] = _trace(attributes.get("traceparent"), headers.get("traceparent"))
    return _binary(attributes, headers.get("content-type", ""), body, default_tenant=default_tenant)


def read_structured(
    body: bytes, *, default_tenant: str | None = None, traceparent: str | None = None
) -> Event:
    """The event in one JSON envelope; raises `EventInvalid`. The envelope's own `traceparent` wins over the argument."""
    try:
        envelope = _decode_structured(body)
    except RecursionError as error:
        raise _data_invalid() from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"The body must be a JSON object ({_JSON_RULE})."
        raise EventInvalid([Fault(Reason.NOT_A_CLOUDEVENT, "", detail)]) from error
    if envelope.data_base64 is not msgspec.UNSET:
        raise EventInvalid(
            [Fault(Reason.DATA_INVALID, "/data_base64", "Send JSON in `data`; binary data is not taken.")]
        )
    attributes = {
        name: getattr(envelope, name) for name in _Structured.__struct_fields__ if not name.startswith("data")
    }
    attributes["traceparent"] = _trace(envelope.traceparent, traceparent)
    data = _NULL if envelope.data is msgspec.UNSET else envelope.data
    try:
        bytes(data).decode()  # it was skipped over, not read
    except UnicodeDecodeError as error:
        raise _data_invalid() from error
    content_type = envelope.datacontenttype or JSON
    return _event(
        attributes,
        content_type if isinstance(content_type, str) else "",
        data,
        default_tenant=default_tenant,
    )


def _binary(
    attributes: Mapping[str, Any], content_type: str, body: bytes, *, default_tenant: str | None
) -> Event:
    if not attributes.get("specversion") and not attributes.get("id"):
        fault = Fault(
            Reason.NOT_A_CLOUDEVENT,
            "",
            f"Neither `ce_specversion`/`ce_id` headers nor content-type {STRUCTURED}: send a CloudEvent in either mode.",
        )
        raise EventInvalid([fault])
    if body:
        try:
            _decode_json(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _data_invalid() from error
    return _event(
        attributes, content_type or JSON, msgspec.Raw(body) if body else _NULL, default_tenant=default_tenant
    )


def _data_invalid() -> EventInvalid:
    return EventInvalid([Fault(Reason.DATA_INVALID, "/data", f"The data must be JSON ({_JSON_RULE}).")])


def _event(
    attributes: Mapping[str, Any], content_type: str, data: msgspec.Raw, *, default_tenant: str | None
) -> Event:
    faults: list[Fault] = []
    if attributes.get("specversion") != "1.0":
        faults.append(Fault(Reason.ATTRIBUTE_INVALID, "/specversion", "Must be the string `1.0`."))
    required = {name: _required(attributes, name, faults) for name in ("id", "source", "type")}
    tenant = _tenant(attributes.get("tenant") or default_tenant, faults)
    if not _is_json(content_type):
        detail = "Data must be JSON: `application/json`, or a type that ends in `+json`."
        faults.append(Fault(Reason.DATA_INVALID, "/datacontenttype", detail))
    if len(bytes(data)) > EVENT_DATA_BYTES:
        faults.append(Fault(Reason.DATA_TOO_LARGE, "/data", f"Data may be at most {EVENT_DATA_BYTES} bytes."))
    subject = _optional(attributes, "subject", faults)
    time = _time(attributes.get("time"), faults)
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
        test=_flag(attributes.get("test")),
        traceparent=attributes["traceparent"],
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
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers, bytes(event.data)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _trace(*given: object) -> str | None:
    """The first that has the form of a traceparent; as W3C asks, what has not is as good as absent."""
    for text in given:
        if isinstance(text, str) and valid_traceparent(text):
            return text
    return None


def _is_json(content_type: str) -> bool:
    media = content_type.split(";", 1)[0].strip().lower()
    return media == JSON or media.endswith("+json") or media == "text/json"


def _required(attributes: Mapping[str, Any], name: str, faults: list[Fault]) -> str:
    value = attributes.get(name)
    if value is None or value == "":
        faults.append(
            Fault(Reason.ATTRIBUTE_MISSING, f"/{name}", f"`{name}` is required and may not be empty.")
        )
        return ""
    return _short_text(value, name, faults)


def _optional(attributes: Mapping[str, Any], name: str, faults: list[Fault]) -> str | None:
    value = attributes.get(name)
    return None if value is None or value == "" else _short_text(value, name, faults)


def _short_text(value: object, name: str, faults: list[Fault]) -> str:
    if isinstance(value, str) and value.isprintable() and len(value.encode()) <= 1024:
        return value
    faults.append(
        Fault(
            Reason.ATTRIBUTE_INVALID,
            f"/{name}",
            "Must be a string of at most 1,024 bytes of UTF-8, without control characters.",
        )
    )
    return ""


def _tenant(value: object, faults: list[Fault]) -> str:
    if value is None:
        detail = "The extension attribute `tenant` is required on this topic: set `ce_tenant`, or `tenant` in the envelope."
        faults.append(Fault(Reason.TENANT_MISSING, "/tenant", detail))
        return ""
    if isinstance(value, str) and valid_tenant(value):
        return value
    faults.append(Fault(Reason.ATTRIBUTE_INVALID, "/tenant", "Must match [a-z0-9-]{1,63}."))
    return ""


def _time(value: object, faults: list[Fault]) -> datetime | None:
    if value is None:
        return None
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        faults.append(
            Fault(
                Reason.ATTRIBUTE_INVALID, "/time", "Must be an RFC 3339 time, such as 2026-01-31T12:00:00Z."
            )
        )
        return None


def _flag(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in _TRUE)
