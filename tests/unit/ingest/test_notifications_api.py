"""`POST /v1/notifications`: what is taken, what is refused and why."""

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.attached_files import file
from tests.hostile_programs import DOUBLING_SCHEMA

from tocsin.contracts.cloudevents import read_kafka
from tocsin.contracts.ids import INGEST_SOURCE, notification_id
from tocsin.ingest.parsing import new_event_id
from tocsin.kafka import NotStored, Overloaded, ProducerBroken
from tocsin.testing import ManualClock

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn

GOOD: dict[str, Any] = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"order": "A1"}}


def pointers(problem: dict[str, Any]) -> set[str]:
    return {fault["pointer"] for fault in problem["errors"]}


async def test_a_request_is_stored_as_a_cloudevent_and_answered_with_its_ids(way_in: "WayIn") -> None:
    body = GOOD | {"recipients": ["ann", {"id": "bob", "email": "bob@example.com"}]}
    answer = await way_in.post("/v1/notifications", body, idempotency_key="order-1")
    assert answer.status_code == 202
    ids = [
        notification_id(
            tenant="acme",
            source=INGEST_SOURCE,
            event_id="order-1",
            recipient=recipient,
            workflow="order-shipped",
        )
        for recipient in ("ann", "bob")
    ]
    assert answer.json() == {
        "event_id": "order-1",
        "notifications": [
            {"recipient": "ann", "notification_id": ids[0]},
            {"recipient": "bob", "notification_id": ids[1]},
        ],
    }
    stored = way_in.stored
    event = read_kafka(stored.headers, stored.value)
    assert (stored.topic, stored.key) == ("tocsin.events.transactional", b"acme/order-1")
    assert (event.tenant, event.source, event.id) == ("acme", INGEST_SOURCE, "order-1")
    assert msgspec.json.decode(event.data) == body
    assert event.test is False


async def test_one_recipient_lies_in_his_own_partition_under_a_new_event_id(way_in: "WayIn") -> None:
    answer = await way_in.post("/v1/notifications", GOOD)
    assert uuid.UUID(answer.json()["event_id"]).version == 7
    assert way_in.stored.key == b"acme/ann"


@pytest.mark.parametrize(
    ("workflow", "asked", "lane"),
    [
        ("login-code", None, "critical"),
        ("login-code", "bulk", "bulk"),
        ("login-code", "critical", "critical"),
        ("order-shipped", "critical", "transactional"),
        ("order-shipped", "bulk", "bulk"),
    ],
)
async def test_the_slower_of_both_lanes_is_taken(
    way_in: "WayIn", workflow: str, asked: str | None, lane: str
) -> None:
    body = GOOD | {"workflow": workflow, "lane": asked}
    assert (await way_in.post("/v1/notifications", body)).status_code == 202
    assert way_in.stored.topic == f"tocsin.events.{lane}"


async def test_test_keys_mark_their_events(way_in: "WayIn") -> None:
    await way_in.post("/v1/notifications", GOOD, key="test")
    assert way_in.headers["ce_test"] == "true"


async def test_the_trace_of_the_request_goes_on(way_in: "WayIn") -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    await way_in.post("/v1/notifications", GOOD, traceparent=trace)
    assert way_in.headers["traceparent"] == trace


async def test_a_trace_begins_where_none_came(way_in: "WayIn") -> None:
    await way_in.post("/v1/notifications", GOOD)
    assert len(way_in.headers["traceparent"]) == 55


def devices(*numbers: int) -> list[dict[str, str]]:
    return [{"id": f"d{number}", "token": "t"} for number in numbers]


REFUSED: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"workflow": "nowhere"}, "unknown_workflow", {"/workflow"}),
    ({"workflow": ""}, "invalid_request", {"/workflow"}),
    ({"workflow": 5}, "invalid_request", {"/workflow"}),
    ({"recipients": []}, "invalid_request", {"/recipients"}),
    ({"recipients": "ann"}, "invalid_request", {"/recipients"}),
    ({"recipients": ["ann", ""]}, "invalid_request", {"/recipients/1"}),
    ({"recipients": ["ann", 5]}, "invalid_request", {"/recipients/1"}),
    ({"recipients": ["a\nb"]}, "invalid_request", {"/recipients/0"}),
    ({"recipients": ["x" * 257]}, "invalid_request", {"/recipients/0"}),
    ({"recipients": [{"email": "a@b.c"}]}, "invalid_request", {"/recipients/0/id"}),
    ({"recipients": [{"id": "a", "email": "a"}]}, "invalid_request", {"/recipients/0/email"}),
    ({"recipients": [{"id": "a", "email": "a@b.c\r\nBcc: x@y.z"}]}, "invalid_request", {"/recipients/0/email"}),
    ({"recipients": [{"id": "a", "email": 7}]}, "invalid_request", {"/recipients/0/email"}),
    ({"recipients": [{"id": "a", "phone": "0151"}]}, "invalid_request", {"/recipients/0/phone"}),
    ({"recipients": [{"id": "a", "locale": "german, please"}]}, "invalid_request", {"/recipients/0/locale"}),
    ({"recipients": [{"id": "a", "time_zone": "Mars/Base"}]}, "invalid_request", {"/recipients/0/time_zone"}),
    ({"recipients": [{"id": "a", "devices": [{"id": "d"}]}]}, "invalid_request", {"/recipients/0/devices/0/token"}),
    ({"recipients": ["b", {"id": "a", "devices": devices(*range(51))}]}, "invalid_request", {"/recipients/1/devices"}),
    ({"recipients": [{"id": "a", "devices": devices(1, 2, 1)}]}, "invalid_request", {"/recipients/0/devices"}),
    ({"actor": {"id": "a", "devices": devices(1, 1)}}, "invalid_request", {"/actor/devices"}),
    ({"recipients": [{"id": "a", "attributes": 1}]}, "invalid_request", {"/recipients/0/attributes"}),
    ({"actor": {"id": "a", "email": "-"}}, "invalid_request", {"/actor/email"}),
    ({"actor": ""}, "invalid_request", {"/actor"}),
    ({"link": "javascript:alert(1)"}, "invalid_request", {"/link"}),
    ({"link": "https://shop.example/" + "x" * 2048}, "invalid_request", {"/link"}),
    ({"link": "https://shop.example/\nBcc: x"}, "invalid_request", {"/link"}),
    ({"link": 5}, "invalid_request", {"/link"}),
    ({"attachments": [file(name="a/b.pdf")]}, "invalid_request", {"/attachments/0/name"}),
    ({"attachments": [file(), file(url="https://ann:secret@files.shop.example/")]}, "invalid_request", {"/attachments/1/url"}),
    ({"attachments": [file(sha256="0" * 63)]}, "invalid_request", {"/attachments/0/sha256"}),
    ({"attachments": [file(size=11 * 1024 * 1024)]}, "invalid_request", {"/attachments/0/size"}),
    ({"attachments": [file(size=6 * 1024 * 1024)] * 2}, "invalid_request", {"/attachments"}),
    ({"attachments": [file(size="9")]}, "invalid_request", {"/attachments/0/size"}),
    ({"attachments": [file(type="message/rfc822")]}, "invalid_request", {"/attachments/0/type"}),
    ({"attachments": [file(inline="a b")]}, "invalid_request", {"/attachments/0/inline"}),
    ({"attachments": [file(inline="logo")] * 2}, "invalid_request", {"/attachments"}),
    ({"attachments": [file()] * 11}, "invalid_request", {"/attachments"}),
    ({"attachments": [file(content="JVBERi0=")]}, "invalid_request", {"/attachments/0/content"}),
    ({"attachments": [{"name": "a.pdf"}]}, "invalid_request", {"/attachments/0/url", "/attachments/0/sha256", "/attachments/0/size", "/attachments/0/type"}),
    ({"lane": "express"}, "invalid_request", {"/lane"}),
    ({"expires_at": "2026-01-01T00:00:00"}, "invalid_request", {"/expires_at"}),
    ({"expires_at": "tomorrow"}, "invalid_request", {"/expires_at"}),
    ({"expires_at": 5}, "invalid_request", {"/expires_at"}),
    ({"send_at": "tomorrow"}, "invalid_request", {"/send_at"}),
    ({"send_at": "2036-01-01T00:00:00"}, "invalid_request", {"/send_at"}),
    ({"send_at": "2999-01-01T00:00:00Z"}, "invalid_request", {"/send_at"}),
    ({"send_at": "2020-01-01T00:00:00Z", "delay": 5}, "invalid_request", {"/delay"}),
    ({"delay": "5"}, "invalid_request", {"/delay"}),
    ({"delay": 1.5}, "invalid_request", {"/delay"}),
    ({"delay": -1}, "invalid_request", {"/delay"}),
    ({"delay": 366 * 86_400}, "invalid_request", {"/delay"}),
    ({"delay": 60, "expires_at": "2020-01-01T00:00:00Z"}, "invalid_request", {"/delay"}),
    ({"data": []}, "invalid_request", {"/data"}),
    ({"data": None}, "invalid_request", {"/data"}),
    ({"data": {}}, "invalid_data", {"/data/order"}),
    ({"data": {"order": 5, "items": [1, "x"]}}, "invalid_data", {"/data/order", "/data/items/1"}),
    ({"data": {"order": "A", "a/b": 1}}, "invalid_data", {"/data/a~1b"}),
    ({"data": {}, "recipients": [{"id": "a", "email": "-"}], "lane": "x"}, "invalid_request", {"/data/order", "/recipients/0/email", "/lane"}),
    ({"recipients": ["x"] * 1001}, "too_many_items", {"/recipients"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "where"), REFUSED)
async def test_refused_at_once_with_a_pointer_per_fault(
    way_in: "WayIn", change: dict[str, Any], code: str, where: set[str]
) -> None:
    answer = await way_in.post("/v1/notifications", GOOD | change)
    problem = answer.json()
    assert (answer.status_code, problem["code"], pointers(problem)) == (422, code, where)
    assert answer.headers["content-type"] == "application/problem+json"
    assert way_in.publisher.records == []


async def test_faults_never_repeat_what_was_sent(way_in: "WayIn") -> None:
    change = {
        "recipients": [{"id": "a", "email": "secret-of-ann"}],
        "data": {"order": "secret-longer-than-10"},
    }
    answer = await way_in.post("/v1/notifications", GOOD | change)
    assert answer.status_code == 422
    assert "secret" not in answer.text


IN_LETTERS = '{"workflow": "order-shipped", "recipients": ["Zoë"], "data": {"order": "A1"}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"data": {"a": "\xff"}}',
        b'{"data": "\\ud800"}',
        IN_LETTERS.encode("utf-8-sig"),
        IN_LETTERS.encode("utf-16"),
        IN_LETTERS.encode("utf-16-le"),
        IN_LETTERS.encode("latin-1"),
    ],
)
async def test_what_is_not_json_is_refused(way_in: "WayIn", body: bytes) -> None:
    answer = await way_in.post("/v1/notifications", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"5", b"null"])
async def test_json_that_is_no_object_is_refused(way_in: "WayIn", body: bytes) -> None:
    assert (await way_in.post("/v1/notifications", body)).json()["code"] == "invalid_request"


async def test_sizes_and_depth(way_in: "WayIn") -> None:
    large = GOOD | {"data": {"order": "A", "x": "y" * 300_000}}
    assert (await way_in.post("/v1/notifications", large)).json()["code"] == "data_too_large"
    larger = GOOD | {"data": {"order": "A", "x": "y" * 1_100_000}}
    assert (await way_in.post("/v1/notifications", larger)).status_code == 413
    deep = b'{"data":' + b"[" * 70 + b"]" * 70 + b"}"
    assert (await way_in.post("/v1/notifications", deep)).json()["code"] == "body_too_deep"


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", b"\xff"])
async def test_idempotency_keys_that_cannot_be_ids(way_in: "WayIn", key: str | bytes) -> None:
    answer = await way_in.post("/v1/notifications", GOOD, idempotency_key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")


async def test_idempotency_keys_are_utf8(way_in: "WayIn") -> None:
    answer = await way_in.post("/v1/notifications", GOOD, idempotency_key="Bestellung-ü")
    assert answer.json()["event_id"] == "Bestellung-ü"


async def test_a_key_is_taken_as_it_stands_and_answered_alike_each_time(way_in: "WayIn") -> None:
    keys = ("q-1", '"q-1"')
    answers = {
        key: [await way_in.post("/v1/notifications", GOOD, idempotency_key=key) for _ in range(3)]
        for key in keys
    }
    assert {answer.status_code for repeats in answers.values() for answer in repeats} == {202}
    assert [len({answer.content for answer in repeats}) for repeats in answers.values()] == [1, 1]
    assert tuple(repeats[0].json()["event_id"] for repeats in answers.values()) == keys
    notifications = {repeats[0].json()["notifications"][0]["notification_id"] for repeats in answers.values()}
    assert len(notifications) == 2


async def test_data_are_stored_as_they_came(way_in: "WayIn") -> None:
    data = b'{"nul": "\\u0000", "n" :1000000000000000000000000000000, "x": null,"x":null }'
    direct = b'{"workflow":"login-code","recipients":["ann"],"data":' + data + b"}"
    event = b'{"specversion":"1.0","id":"e","source":"/s","type":"t","subject":"ann","data":' + data + b"}"
    answers = [
        await way_in.post("/v1/notifications", direct),
        await way_in.post("/v1/events", event, content_type="application/cloudevents+json"),
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [record.value for record in way_in.publisher.records] == [direct, data]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (NotStored("deadline"), "not_known_to_be_stored"),
        (ProducerBroken("gone"), "not_known_to_be_stored"),
        (Overloaded("full"), "overloaded"),
    ],
)
async def test_without_kafka_the_answer_says_which_id_to_repeat(
    way_in: "WayIn", failure: Exception, code: str
) -> None:
    way_in.publisher.failure = failure
    answer = await way_in.post("/v1/notifications", GOOD)
    problem = answer.json()
    assert (answer.status_code, problem["code"], answer.headers["retry-after"]) == (503, code, "3")
    assert uuid.UUID(problem["event_id"]).version == 7
    assert "repeat with this id" in problem["detail"]


async def test_only_keys_with_the_scope_may_send(way_in: "WayIn") -> None:
    assert (await way_in.post("/v1/notifications", GOOD, key="reader")).json()["code"] == "scope_missing"
    assert (await way_in.client.post("/v1/notifications", json=GOOD)).json()["code"] == "unauthenticated"


async def test_a_revoked_key_works_no_longer(way_in: "WayIn") -> None:
    key_id = way_in.keys["live"].split("_")[2]
    way_in.withdraw(f"api_key/acme/{key_id}".encode())
    assert (await way_in.post("/v1/notifications", GOOD)).status_code == 401


async def test_before_the_directory_is_read_nobody_is_told_his_key_is_unknown(way_in: "WayIn") -> None:
    way_in.caught_up.clear()
    answer = await way_in.post("/v1/notifications", GOOD)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "retry-after" in answer.headers


async def test_a_withdrawn_workflow_is_unknown(way_in: "WayIn") -> None:
    way_in.withdraw(b"workflow/acme/order-shipped")
    assert (await way_in.post("/v1/notifications", GOOD)).json()["code"] == "unknown_workflow"


async def test_another_tenants_workflow_is_unknown(way_in: "WayIn") -> None:
    way_in.publish_workflow("foreign", tenant="other")
    answer = await way_in.post("/v1/notifications", GOOD | {"workflow": "foreign"})
    assert answer.json()["code"] == "unknown_workflow"


@pytest.mark.parametrize(
    "schema", [{"type": "nothing"}, {"$ref": "http://127.0.0.1:9/never-fetched"}, DOUBLING_SCHEMA]
)
async def test_a_schema_that_is_none_refuses_its_workflow_only(
    way_in: "WayIn", schema: dict[str, Any]
) -> None:
    way_in.publish_workflow("broken", data_schema=schema)
    answer = await way_in.post("/v1/notifications", GOOD | {"workflow": "broken"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "workflow_unusable")
    assert answer.json()["code"] == "workflow_unusable"
    assert (await way_in.post("/v1/notifications", GOOD)).status_code == 202


async def test_data_that_are_too_much_for_a_schema_are_refused_unseen(way_in: "WayIn") -> None:
    """At the same byte as at the router: see test_hostile_workflows."""
    way_in.publish_workflow(
        "wide", data_schema={"allOf": [{"type": "object"}] * 199}, event_types=["com.wide"]
    )
    fits, over = (b'{"name":"' + b"a" * (size - 11) + b'"}' for size in (9_413, 9_414))
    for data, status in ((fits, 202), (over, 422)):
        body = b'{"workflow":"wide","recipients":["ann"],"data":' + data + b"}"
        direct = await way_in.post("/v1/notifications", body)
        event = (
            b'{"specversion":"1.0","id":"e","source":"/s","type":"com.wide","subject":"ann","data":'
            + data
            + b"}"
        )
        sent = await way_in.post("/v1/events", event, content_type="application/cloudevents+json")
        assert (direct.status_code, sent.status_code) == (status, status)
        if status == 422:
            for answer in (direct, sent):
                problem = answer.json()
                assert problem["code"] == problem["errors"][0]["code"] == "data_too_complex"
                assert problem["errors"][0]["pointer"] == "/data"


def test_new_event_ids_follow_time() -> None:
    clock = ManualClock()
    first = new_event_id(clock)
    clock.advance(0.002)
    assert first < new_event_id(clock)
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert uuid.UUID(first).int >> 80 == clock.time_ms() - 2
