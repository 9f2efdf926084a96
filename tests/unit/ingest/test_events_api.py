"""`POST /v1/events`: CloudEvents in all three modes."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tocsin.contracts.cloudevents import BATCH, STRUCTURED, read_kafka
from tocsin.contracts.ids import notification_id
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import NotStored

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn

SHIPPED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/shop",
    "type": "com.shop.shipped",
    "subject": "ann",
    "data": {"order": "A1"},
}
REQUEST = SHIPPED | {
    "type": "tocsin.notification.requested.v1",
    "data": {"workflow": "login-code", "recipients": ["ann"]},
}


async def structured(way_in: "WayIn", event: Any, **more: Any) -> Any:
    return await way_in.post("/v1/events", event, content_type=STRUCTURED, **more)


async def batch(way_in: "WayIn", events: Any) -> Any:
    return await way_in.post("/v1/events", events, content_type=BATCH)


async def test_structured_and_binary_store_the_same(way_in: "WayIn") -> None:
    first = await structured(way_in, SHIPPED)
    second = await way_in.post(
        "/v1/events",
        SHIPPED["data"],
        content_type="application/json",
        ce_specversion="1.0",
        ce_id="e1",
        ce_source="/shop",
        ce_type="com.shop.shipped",
        ce_subject="ann",
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json() == {"event_id": "e1"}
    events = [read_kafka(record.headers, record.value) for record in way_in.publisher.records]
    for event in events:
        assert (event.tenant, event.id, event.source, event.subject) == ("acme", "e1", "/shop", "ann")
        assert msgspec.json.decode(event.data) == {"order": "A1"}
    assert {(record.topic, record.key) for record in way_in.publisher.records} == {
        ("tocsin.events.transactional", b"acme/ann")
    }


async def test_a_direct_request_in_an_envelope_names_its_notifications(way_in: "WayIn") -> None:
    answer = await structured(way_in, REQUEST)
    expected = notification_id(
        tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="login-code"
    )
    assert answer.json() == {
        "event_id": "e1",
        "notifications": [{"recipient": "ann", "notification_id": expected}],
    }
    assert way_in.stored.topic == "tocsin.events.critical"


async def test_an_event_nobody_subscribes_to_is_taken_all_the_same(way_in: "WayIn") -> None:
    answer = await structured(way_in, SHIPPED | {"type": "com.shop.other"})
    assert answer.status_code == 202
    assert (way_in.stored.topic, way_in.stored.key) == ("tocsin.events.transactional", b"acme/e1")


async def test_the_fastest_subscriber_decides_the_lane(way_in: "WayIn") -> None:
    way_in.publish_workflow("alarm", lane=Lane.CRITICAL, event_types=["com.shop.shipped"])
    await structured(way_in, SHIPPED)
    assert way_in.stored.topic == "tocsin.events.critical"


async def test_recipients_found_by_expression_are_not_known_here(way_in: "WayIn") -> None:
    way_in.publish_workflow("list", recipients="data.people", event_types=["com.shop.shipped"])
    await structured(way_in, SHIPPED)
    assert way_in.stored.key == b"acme/e1"


async def test_data_that_fits_no_subscriber_is_refused(way_in: "WayIn") -> None:
    answer = await structured(way_in, SHIPPED | {"data": {"order": 5}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_data")
    assert answer.json()["errors"][0]["pointer"] == "/data/order"


async def test_data_that_fits_one_subscriber_is_taken(way_in: "WayIn") -> None:
    way_in.publish_workflow("lenient", event_types=["com.shop.shipped"])
    assert (await structured(way_in, SHIPPED | {"data": {"order": 5}})).status_code == 202


async def test_a_workflow_published_anew_no_longer_hears_its_former_events(way_in: "WayIn") -> None:
    way_in.publish_workflow("order-shipped", lane=Lane.CRITICAL, event_types=["com.shop.sent"], revision=2)
    await structured(way_in, SHIPPED)
    assert way_in.stored.topic == "tocsin.events.transactional"
    assert way_in.stored.key == b"acme/e1"


async def test_the_tenant_is_the_keys(way_in: "WayIn") -> None:
    assert (await structured(way_in, SHIPPED | {"tenant": "acme"})).status_code == 202
    answer = await structured(way_in, SHIPPED | {"tenant": "other"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_event")
    assert problem["errors"] == [
        {"pointer": "/tenant", "code": "tenant_differs", "detail": problem["detail"]}
    ]
    assert "API key" in problem["detail"]


@pytest.mark.parametrize(
    ("key", "given", "stored"), [("test", None, True), ("live", "true", True), ("live", None, False)]
)
async def test_test_events_are_marked(way_in: "WayIn", key: str, given: str | None, stored: bool) -> None:
    await structured(way_in, SHIPPED | {"test": given}, key=key)
    assert ("ce_test" in way_in.headers) is stored


async def test_a_test_key_decides_what_its_event_says_otherwise(way_in: "WayIn") -> None:
    assert (await structured(way_in, SHIPPED | {"test": False}, key="test")).status_code == 202
    assert way_in.headers["ce_test"] == "true"


@pytest.mark.parametrize("key", ["live", "test"])
@pytest.mark.parametrize("said", ["yes", "1", "TRUE", "", 1])
async def test_a_test_that_is_not_named_clearly_is_refused(way_in: "WayIn", said: Any, key: str) -> None:
    """In structured mode, in a batch, and in a header."""
    envelope = SHIPPED | {"test": said}
    headers = {f"ce_{name}": str(value) for name, value in envelope.items() if name != "data"}
    batch = await way_in.post(
        "/v1/events", [envelope], key=key, content_type="application/cloudevents-batch+json"
    )
    single = [
        await structured(way_in, envelope, key=key),
        await way_in.post("/v1/events", SHIPPED["data"], key=key, content_type="application/json", **headers),
    ]
    for problem in [*(answer.json() for answer in single), batch.json()["items"][0]["problem"]]:
        assert (problem["status"], problem["code"]) == (422, "invalid_event")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/test"]
    assert way_in.publisher.records == []


async def test_an_events_own_trace_wins(way_in: "WayIn") -> None:
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    await structured(way_in, SHIPPED | {"traceparent": own}, traceparent=own.replace("0af", "0bf"))
    assert way_in.headers["traceparent"] == own


REFUSED: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"id": None}, "invalid_event", {"/id"}),
    ({"id": 5, "source": ""}, "invalid_event", {"/id", "/source"}),
    ({"specversion": "0.3"}, "invalid_event", {"/specversion"}),
    ({"time": "noon"}, "invalid_event", {"/time"}),
    ({"data": {"order": "x" * 270_000}}, "data_too_large", {"/data"}),
    ({"type": REQUEST["type"], "data": 5}, "invalid_event", {"/data"}),
    ({"type": REQUEST["type"], "data": {"workflow": "no", "recipients": ["a"]}}, "unknown_workflow", {"/data/workflow"}),
    ({"type": REQUEST["type"], "data": {"workflow": "order-shipped", "recipients": [{"id": "a", "email": "-"}]}}, "invalid_event", {"/data/data/order", "/data/recipients/0/email"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "where"), REFUSED)
async def test_refused_with_pointers_into_the_envelope(
    way_in: "WayIn", change: dict[str, Any], code: str, where: set[str]
) -> None:
    answer = await structured(way_in, SHIPPED | change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert {fault["pointer"] for fault in problem["errors"]} == where


async def test_an_event_that_names_nobody_is_refused_where_only_its_subject_could(way_in: "WayIn") -> None:
    """The router would refuse it with the same code, when the caller is gone."""
    way_in.publish_workflow("sent", event_types=["com.shop.sent"])
    event = SHIPPED | {"type": "com.shop.sent", "subject": None, "data": {}}
    answer = await structured(way_in, event)
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_event")
    assert (fault["pointer"], fault["code"]) == ("/subject", "recipients_invalid")
    assert way_in.publisher.records == []
    way_in.publish_workflow("told", event_types=["com.shop.sent"], recipients="data.customer")
    assert (await structured(way_in, event)).status_code == 202


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":"\xff"}']
)
async def test_what_is_no_event_is_refused(way_in: "WayIn", body: bytes) -> None:
    answer = await structured(way_in, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_event")
    assert way_in.publisher.records == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "application/cloudevents+avro"])
async def test_other_content_is_refused_with_the_modes_there_are(way_in: "WayIn", media_type: str) -> None:
    answer = await way_in.post("/v1/events", SHIPPED, content_type=media_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert STRUCTURED in answer.json()["detail"]


async def test_a_batch_is_taken_whole(way_in: "WayIn") -> None:
    events = [SHIPPED | {"id": f"e{n}"} for n in range(120)]
    answer = await batch(way_in, events)
    assert answer.status_code == 202
    assert answer.json()["items"] == [{"status": 202, "event_id": f"e{n}"} for n in range(120)]
    assert len(way_in.publisher.records) == 120


async def test_a_batch_is_taken_in_part(way_in: "WayIn") -> None:
    events = [
        SHIPPED,
        SHIPPED | {"id": "e2", "source": None},
        {"x": 1},
        REQUEST | {"id": "e4"},
        7,
        SHIPPED | {"id": "e6", "tenant": "x"},
    ]
    answer = await batch(way_in, events)
    items = answer.json()["items"]
    assert answer.status_code == 207
    assert [(item["status"], item.get("event_id")) for item in items] == [
        (202, "e1"), (422, "e2"), (422, None), (202, "e4"), (422, None), (422, "e6"),
    ]  # fmt: skip
    assert items[1]["problem"]["errors"][0]["pointer"] == "/source"
    assert items[3]["notifications"][0]["recipient"] == "ann"
    assert len(way_in.publisher.records) == 2


async def test_a_batch_of_which_nothing_can_be_taken(way_in: "WayIn") -> None:
    answer = await batch(way_in, [{"x": 1}, {"y": 2}])
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_refused")
    assert [item["status"] for item in answer.json()["items"]] == [422, 422]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_empty_batch_is_fine(way_in: "WayIn") -> None:
    answer = await batch(way_in, [])
    assert (answer.status_code, answer.json()) == (202, {"items": []})


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [(b"{}", "invalid_json", 400), (b"[1", "invalid_json", 400), ([1] * 1001, "too_many_items", 422)],
)
async def test_what_is_no_batch_is_refused(way_in: "WayIn", body: Any, code: str, status: int) -> None:
    answer = await batch(way_in, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_batch_that_kafka_did_not_take_names_its_ids(way_in: "WayIn") -> None:
    way_in.publisher.failure = NotStored("deadline")
    answer = await batch(way_in, [SHIPPED, {"x": 1}, SHIPPED | {"id": "e2"}])
    assert answer.status_code == 503
    assert answer.json()["event_ids"] == ["e1", "e2"]
    assert answer.headers["retry-after"] == "3"


async def test_data_in_base64_are_stored_as_they_are(way_in: "WayIn") -> None:
    encoded = {name: value for name, value in SHIPPED.items() if name != "data"}
    answer = await structured(way_in, encoded | {"data_base64": "eyJvcmRlciI6IkExIn0="})
    assert answer.status_code == 202
    assert way_in.stored.value == b'{"order":"A1"}'


async def test_a_batch_is_taken_by_any_spelling_of_its_type(way_in: "WayIn") -> None:
    encoded = {name: value for name, value in SHIPPED.items() if name != "data"}
    answer = await way_in.post(
        "/v1/events",
        [SHIPPED, encoded | {"id": "e2", "data_base64": "eyJvcmRlciI6IkExIn0="}, encoded | {"id": "e3", "data_base64": "x"}],
        content_type="Application/CloudEvents-Batch+JSON; charset=utf-8",
    )  # fmt: skip
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 202, 422]
    assert answer.json()["items"][2]["problem"]["errors"][0]["pointer"] == "/data_base64"


BINARY = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/shop", "ce_type": "com.shop.shipped"}


async def test_a_quoted_subject_is_the_recipient_without_its_quotes(way_in: "WayIn") -> None:
    answer = await way_in.post("/v1/events", {"order": "A1"}, ce_subject='"ann %C3%AB"', **BINARY)
    assert answer.status_code == 202
    assert way_in.headers["ce_subject"] == "ann ë"


@pytest.mark.parametrize("attribute", ["subject", "time"])
async def test_a_header_that_is_no_text_is_refused_by_its_name(way_in: "WayIn", attribute: str) -> None:
    answer = await way_in.post("/v1/events", {"order": "A1"}, **BINARY, **{f"ce_{attribute}": "bern%FF"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{attribute}"]
    assert way_in.publisher.records == []
