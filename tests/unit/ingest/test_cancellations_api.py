"""Taking back what was sent, over HTTP: by its id or its key, with a key of scope `send`, always in the fast lane."""

import json
from typing import Any

import pytest

from tocsin.contracts.cloudevents import STRUCTURED, read_kafka
from tocsin.contracts.events import CANCELLATION_REQUESTED, Event
from tocsin.kafka import NotStored

from .conftest import WayIn

ID = "0190b6f2-5c3e-5a2b-9a67-0d7a3b1c2e4f"


def stored(way_in: WayIn) -> Event:
    """The one event stored."""
    record = way_in.stored
    return read_kafka(record.headers, record.value)


async def test_an_id_among_the_keys_is_told_where_it_belongs(way_in: WayIn) -> None:
    answer = await way_in.post(
        "/v1/cancellations", {"notification_id": ID, "key": "k"}, content_type="application/json"
    )
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["pointer"], fault["code"]) == (422, "/notification_id", "field_unknown")
    assert fault["detail"] == (
        "Unknown field. To cancel one notification, ask `DELETE /v1/notifications/<notification_id>`."
    )


@pytest.mark.parametrize("data", [{"keys": "order-1"}])
async def test_a_question_has_one_mark_at_its_end(way_in: WayIn, data: dict[str, str]) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": CANCELLATION_REQUESTED, "data": data}
    answer = await way_in.post("/v1/events", event, content_type=STRUCTURED)
    [fault] = answer.json()["errors"]
    assert fault["detail"].endswith("Did you mean `key`?")


async def delete(way_in: WayIn, notification_id: str, *, key: str = "live", **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await way_in.client.delete(
        f"/v1/notifications/{notification_id}",
        headers={"authorization": f"Bearer {way_in.keys[key]}", **names},
    )


@pytest.mark.parametrize("given", [ID, ID.upper()])
async def test_a_notification_is_cancelled_whether_it_is_known_or_not(way_in: WayIn, given: str) -> None:
    answer = await delete(way_in, given)
    assert answer.status_code == 202
    event = stored(way_in)
    assert answer.json() == {"event_id": event.id}
    assert way_in.stored.topic == "tocsin.events.critical"
    assert (event.tenant, event.type, event.source) == (
        "acme", CANCELLATION_REQUESTED, "tocsin:ingest/cancellations",
    )  # fmt: skip
    assert (json.loads(bytes(event.data)), event.test) == ({"notification_id": ID}, False)
    assert event.traceparent is not None


async def test_everything_with_a_key_is_cancelled(way_in: WayIn) -> None:
    answer = await way_in.post("/v1/cancellations", {"key": "order/1 ü"}, content_type="application/json")
    assert answer.status_code == 202
    event = stored(way_in)
    assert answer.json() == {"event_id": event.id}
    assert way_in.stored.topic == "tocsin.events.critical"
    assert json.loads(bytes(event.data)) == {"key": "order/1 ü"}


async def test_a_test_key_cancels_tests_alone(way_in: WayIn) -> None:
    assert (await delete(way_in, ID, key="test")).status_code == 202
    assert stored(way_in).test


async def test_an_idempotency_key_is_the_cancellations_own(way_in: WayIn) -> None:
    """The same key as that of the request that is cancelled is another event."""
    for _ in range(2):
        assert (await delete(way_in, ID, idempotency_key="k1")).json() == {"event_id": "k1"}
    answer = await way_in.post(
        "/v1/notifications", {"workflow": "login-code", "recipients": ["ann"]}, idempotency_key="k1"
    )
    assert answer.status_code == 202
    sources = [read_kafka(record.headers, record.value).source for record in way_in.publisher.records]
    assert sources == ["tocsin:ingest/cancellations", "tocsin:ingest/cancellations", "tocsin:ingest"]


async def test_without_the_scope_nothing_is_cancelled(way_in: WayIn) -> None:
    assert (await delete(way_in, ID, key="reader")).status_code == 403
    answer = await way_in.post("/v1/cancellations", {"key": "a"}, key="reader")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (await way_in.client.delete(f"/v1/notifications/{ID}")).status_code == 401
    assert not way_in.publisher.records


@pytest.mark.parametrize("given", ["n1", ID.replace("-", ""), ID + "0"])
async def test_what_is_no_id_is_not_found(way_in: WayIn, given: str) -> None:
    answer = await delete(way_in, given)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not way_in.publisher.records


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/key", "missing"),
        ({"key": ""}, "/key", "cancel_key_invalid"),
        ({"key": "x" * 256}, "/key", "cancel_key_invalid"),
        ({"key": "a\nb"}, "/key", "cancel_key_invalid"),
        ({"key": 7}, "/key", "string_type"),
        ({"key": "a", "kee": 1}, "/kee", "field_unknown"),
        ({"notification_id": ID}, "/key", "missing"),
    ],
)
async def test_a_key_without_sense_is_refused_with_its_pointer(
    way_in: WayIn, body: Any, pointer: str, code: str
) -> None:
    answer = await way_in.post("/v1/cancellations", body, content_type="application/json")
    assert answer.status_code == 422
    assert (pointer, code) in [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
    assert not way_in.publisher.records


async def test_a_503_names_the_id_to_repeat_with(way_in: WayIn) -> None:
    way_in.publisher.failure = NotStored("no")
    answer = await delete(way_in, ID, idempotency_key="k1")
    assert (answer.status_code, answer.json()["event_id"]) == (503, "k1")


@pytest.mark.parametrize("data", [{"key": "order-1"}, {"notification_id": ID.upper()}])
async def test_a_cloudevent_cancels_too(way_in: WayIn, data: dict[str, str]) -> None:
    envelope = {
        "specversion": "1.0", "id": "c1", "source": "/shop", "type": CANCELLATION_REQUESTED, "data": data, "test": True
    }  # fmt: skip
    answer = await way_in.post("/v1/events", envelope, content_type=STRUCTURED)
    assert answer.status_code == 202
    event = stored(way_in)
    assert way_in.stored.topic == "tocsin.events.critical"
    assert (event.source, event.id, event.test) == ("/shop", "c1", True)
    assert json.loads(bytes(event.data)) == {
        name: value.lower() if name == "notification_id" else value for name, value in data.items()
    }


@pytest.mark.parametrize(
    ("data", "pointer", "code"),
    [
        ({}, "/data", "data_invalid"),
        ({"key": "a", "notification_id": ID}, "/data", "data_invalid"),
        ({"key": ""}, "/data/key", "cancel_key_invalid"),
        ({"key": 7}, "/data/key", "data_invalid"),
        ({"notification_id": "n1"}, "/data/notification_id", "data_invalid"),
        ({"keys": "a"}, "/data", "field_unknown"),
        ("text", "/data", "data_invalid"),
    ],
)
async def test_a_cloudevent_without_sense_is_refused_with_its_pointer(
    way_in: WayIn, data: Any, pointer: str, code: str
) -> None:
    envelope = {
        "specversion": "1.0",
        "id": "c1",
        "source": "/shop",
        "type": CANCELLATION_REQUESTED,
        "data": data,
    }
    answer = await way_in.post("/v1/events", envelope, content_type=STRUCTURED)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


async def test_a_request_carries_its_cancellation_key(way_in: WayIn) -> None:
    body = {"workflow": "login-code", "recipients": ["ann"], "cancel_key": "order-1"}
    assert (await way_in.post("/v1/notifications", body)).status_code == 202
    assert json.loads(bytes(stored(way_in).data))["cancel_key"] == "order-1"


async def test_an_event_carries_its_cancellation_key(way_in: WayIn) -> None:
    envelope = {
        "specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.shop.shipped", "subject": "ann", "cancelkey": "order-1",
        "data": {"order": "A-1"},
    }  # fmt: skip
    assert (await way_in.post("/v1/events", envelope, content_type=STRUCTURED)).status_code == 202
    assert way_in.headers["ce_cancelkey"] == "order-1"
    assert stored(way_in).cancel_key == "order-1"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\u0007", 7])
async def test_a_cancellation_key_that_is_none_is_refused_everywhere(way_in: WayIn, key: Any) -> None:
    body = {"workflow": "login-code", "recipients": ["ann"], "cancel_key": key}
    answer = await way_in.post("/v1/notifications", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cancel_key")
    envelope = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "x", "cancelkey": key}
    answer = await way_in.post("/v1/events", envelope, content_type=STRUCTURED)
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["pointer"], fault["code"]) == (422, "/cancelkey", "cancel_key_invalid")
    assert not way_in.publisher.records


async def test_a_key_that_stands_twice_is_refused(way_in: WayIn) -> None:
    envelope = {
        "specversion": "1.0", "id": "e1", "source": "/shop", "type": "tocsin.notification.requested.v1", "cancelkey": "a",
        "data": {"workflow": "login-code", "recipients": ["ann"], "cancel_key": "a"},
    }  # fmt: skip
    answer = await way_in.post("/v1/events", envelope, content_type=STRUCTURED)
    [fault] = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/data/cancel_key", "cancel_key_invalid")
