"""Events as the official SDKs write them: the Python SDK at work, the JavaScript SDK as it was recorded."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1 import http as http_of_1

from tocsin.contracts.cloudevents import EventInvalid, read_http_binary, read_kafka, read_structured
from tocsin.contracts.events import Event

RECORDED = json.loads((Path(__file__).parents[2] / "contract/cloudevents/javascript_sdk.json").read_text())
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ATTRIBUTES: dict[str, Any] = {
    "id": "e1",
    "source": "/shop",
    "type": "com.shop.shipped",
    "subject": "ann",
    "tenant": "acme",
    "specversion": "1.0",
    "time": NOON,
}
FORMAT = JSONFormat()
DATA: dict[str, Any] = {"object": {"order": "A1"}, "bytes": b'{"order":"A1"}', "no data": None}


def over_http(headers: dict[str, str], body: bytes | str) -> Event:
    """As ingest reads it: header names in small letters, values as Latin-1."""
    given = {name.lower(): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    if given.get("content-type", "").startswith("application/cloudevents+json"):
        return read_structured(content)
    return read_http_binary(given, content)


def over_kafka(headers: dict[str, Any], value: bytes | str) -> Event:
    raw = [(name, text if isinstance(text, bytes) else text.encode()) for name, text in headers.items()]
    return read_kafka(raw, value.encode() if isinstance(value, str) else value)


def expect(event: Event, *, has_data: bool = True, subject: str = "ann") -> None:
    assert (event.tenant, event.source, event.id, event.type) == ("acme", "/shop", "e1", "com.shop.shipped")
    assert event.subject == subject
    assert event.time is not None
    assert event.time - NOON in (timedelta(0), timedelta(seconds=0.5))
    assert json.loads(bytes(event.data)) == ({"order": "A1"} if has_data else None)


@pytest.mark.parametrize("vector", RECORDED["vectors"], ids=lambda one: "-".join(list(one.values())[:3]))
def test_the_javascript_sdk(vector: dict[str, Any]) -> None:
    read = {"http": over_http, "kafka": over_kafka}[vector["binding"]]
    if vector["event"] == "plain text":
        with pytest.raises(EventInvalid) as refused:
            read(vector["headers"], vector["body"])
        assert [fault.pointer for fault in refused.value.faults][-1] in ("/data", "/datacontenttype")
        return
    subject = 'ann "the first" 100%' if "subject" in vector["event"] else "ann"
    expect(read(vector["headers"], vector["body"]), has_data=vector["event"] != "no data", subject=subject)


def test_the_recording_names_its_source() -> None:
    assert RECORDED["source"] == "cloudevents 10.0.0 of npm"
    assert len(RECORDED["vectors"]) > 20


@pytest.mark.parametrize("with_type", [False, True])
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_python_sdk(mode: str, name: str, *, with_type: bool) -> None:
    given = ATTRIBUTES | ({"datacontenttype": "application/json"} if with_type else {})
    event = CloudEvent(attributes=given, data=DATA[name])
    request = getattr(http, f"to_{mode}")(event, FORMAT)
    expect(over_http(request.headers, request.body), has_data=name != "no data")
    record = getattr(kafka, f"to_{mode}")(event, FORMAT)
    expect(over_kafka(record.headers, record.value), has_data=name != "no data")


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_python_sdk_by_its_first_interface_over_http(mode: str, name: str) -> None:
    """Over Kafka that interface writes structured events without their content type: those are no CloudEvents."""
    attributes = ATTRIBUTES | {"time": NOON.isoformat()}
    event = http_of_1.CloudEvent(attributes, DATA[name])
    headers, body = getattr(conversion, f"to_{mode}")(event)
    expect(over_http(headers, body or b""), has_data=name != "no data")


@pytest.mark.parametrize(
    "subject", ["ann the first", 'say "hi"', "100%", "%41", "Zoë 漢字 🎉", "a\\b", "a,b;c"]
)
def test_the_python_sdk_s_percent_encoding_is_taken_back(subject: str) -> None:
    event = CloudEvent(attributes=ATTRIBUTES | {"subject": subject}, data={"order": "A1"})
    request = http.to_binary(event, FORMAT)
    expect(over_http(request.headers, request.body), subject=subject)
    record = kafka.to_binary(event, FORMAT)
    expect(over_kafka(record.headers, record.value), subject=subject)
