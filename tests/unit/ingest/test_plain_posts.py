"""A plain POST is answered, counted and refused as FastAPI and the middlewares would: each request here goes both ways."""

import json
from collections import Counter
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from tests.unit.ingest.conftest import WayIn, record_of

from tocsin.contracts.cloudevents import BATCH, STRUCTURED
from tocsin.contracts.directory import TenantLimits, TenantRecord
from tocsin.kafka import NotStored, Overloaded, ProducerRecord
from tocsin.runtime import REFUSED, Refused
from tocsin.web.plain_posts import PlainPosts

NOTIFICATION = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"order": "A1"}}
EVENT = {
    "specversion": "1.0",
    "type": "com.shop.shipped",
    "source": "/shop",
    "id": "1",
    "subject": "ann",
    "data": {"order": "A1"},
}
PLAIN = {"idempotency-key": "k", "content-type": "application/json"}
JSON = "application/json"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
REQUESTS: list[tuple[str, dict[str, str], bytes]] = [
    ("/v1/notifications", PLAIN, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", {"idempotency-key": "a\tb"}, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", {"traceparent": TRACE}, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", {"traceparent": "of no form", **PLAIN}, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", {"x-request-id": "of-the-caller"}, b"{}"),
    ("/v1/notifications", PLAIN, b"{"),
    ("/v1/notifications", PLAIN, b"[" * 100),
    ("/v1/notifications", PLAIN, b""),
    ("/v1/notifications", {**PLAIN, "content-encoding": "gzip"}, b"{}"),
    ("/v1/notifications", {**PLAIN, "content-encoding": "identity"}, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", {**PLAIN, "expect": "100-continue"}, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications", PLAIN, b"x" * 1_100_000),
    ("/v1/notifications?dry=1", PLAIN, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications?", PLAIN, json.dumps(NOTIFICATION).encode()),
    ("/v1/notifications/", PLAIN, json.dumps(NOTIFICATION).encode()),
    ("/v1/events", {"content-type": STRUCTURED}, json.dumps(EVENT).encode()),
    ("/v1/events", {"content-type": STRUCTURED}, json.dumps(EVENT | {"data": {"order": 1}}).encode()),
    ("/v1/events", {"content-type": BATCH}, json.dumps([EVENT, EVENT | {"id": ""}]).encode()),
    ("/v1/events", {"content-type": BATCH}, json.dumps([EVENT | {"id": ""}]).encode()),
    ("/v1/events", {"content-type": "text/plain"}, b"x"),
    (
        "/v1/events",
        {"content-type": JSON, "ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-id": "1"},
        b"{}",
    ),
]
KEYS = ["live", "test", "reader", "missing", "wrong"]


class Both:
    """The same application with plain posts and without."""

    def __init__(self, way_in: WayIn) -> None:
        self._way_in = way_in
        self.with_them = way_in.app
        self.without = way_in.make_app()
        self.without.user_middleware = [
            middleware for middleware in self.without.user_middleware if middleware.cls is not PlainPosts
        ]

    async def answers(
        self, path: str, headers: dict[str, str], body: bytes, *, key: str = "live", **scope: Any
    ) -> Any:
        """What both ways answer, store and count: it must be the same. `scope` goes over what the server says of the request."""
        plain, described = [
            await self._answer(app, path, headers, body, key=key, **scope)
            for app in (self.with_them, self.without)
        ]
        assert plain == described
        return plain

    async def _answer(self, app: Any, path: str, headers: dict[str, str], body: bytes, **more: Any) -> Any:
        key, scope_has = more.pop("key"), more
        if "headers_sent" in scope_has:
            scope_has["headers"] = scope_has.pop("headers_sent")

        async def through(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, **scope_has}, receive, send)

        given = {"x-request-id": "0" * 32} | headers
        if key != "missing":
            given["authorization"] = f"Bearer {self._way_in.keys.get(key, 'tk_live_x_' + 'y' * 40)}"
        publisher, before = self._way_in.publisher, counted()
        publisher.records.clear()
        transport = httpx.ASGITransport(through)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            answer = await client.post(path, headers=given, content=body)
        stored = [stored_of(record, traced="traceparent" in headers) for record in publisher.records]
        told = [(name, value) for name, value in answer.headers.items() if name != "content-length"]
        return answer.status_code, told, without_random(answer.content), stored, counted() - before


def stored_of(record: ProducerRecord, *, traced: bool) -> Any:
    """Without what is random: a trace that begins here, and with the trace that the request is part of."""
    headers = dict(record.headers)
    if not traced or headers["traceparent"].decode() != TRACE:
        del headers["traceparent"]
    if len(headers["ce_id"]) == 36:
        headers["ce_id"] = b"new"
    return record.topic, record.key, record.value, headers


def without_random(content: bytes) -> Any:
    body = json.loads(content)
    if isinstance(body, dict) and "event_id" in body and len(str(body["event_id"])) == 36:
        body["event_id"] = "new"
        for notification in body.get("notifications", []):
            notification["notification_id"] = "new"
    return body


def counted() -> Counter[Any]:
    """Requests by route and status, and refusals by code."""
    names = ("tocsin_http_requests_total", "tocsin_ingest_refused_events_total")
    return Counter(
        {
            (sample.name, *sorted(sample.labels.items())): int(sample.value)
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name in names
        }
    )


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("path", "headers", "body"), REQUESTS)
async def test_whatever_is_asked_is_answered_the_same(
    way_in: WayIn, path: str, headers: dict[str, str], body: bytes, key: str
) -> None:
    await Both(way_in).answers(path, headers, body, key=key)


async def test_a_refusal_is_counted_once_on_both_ways(way_in: WayIn) -> None:
    path, headers, body = REQUESTS[0]
    *_, counts = await Both(way_in).answers(path, headers, body, key="reader")
    refused = {name: times for name, times in counts.items() if "refused" in name[0]}
    assert refused == {("tocsin_ingest_refused_events_total", ("code", "scope_missing")): 1}


@pytest.mark.parametrize("fields", [[b"", b"live"], [b"live", b""]])
async def test_of_two_authorizations_the_first_counts_on_both_ways(
    way_in: WayIn, fields: list[bytes]
) -> None:
    path, headers, body = REQUESTS[0]
    key = way_in.keys["live"].encode()
    sent = [(b"authorization", field and b"Bearer " + key) for field in fields] + [
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", b"0" * 32),
    ]
    sent += [(name.encode(), value.encode()) for name, value in headers.items()]
    status, *_ = await Both(way_in).answers(path, headers, body, headers_sent=sent)
    assert status == (202 if fields[0] else 401)


@pytest.mark.parametrize(
    "failure", [NotStored("late"), Overloaded("full"), ZeroDivisionError("a fault of ours")]
)
async def test_what_is_not_stored(way_in: WayIn, failure: Exception) -> None:
    way_in.publisher.failure = failure
    for path, headers, body in (REQUESTS[0], REQUESTS[-1]):
        status, *_ = await Both(way_in).answers(path, headers, body)
        assert status in (500, 503)


async def test_a_directory_that_is_still_read(way_in: WayIn) -> None:
    way_in.caught_up.clear()
    for key in KEYS:
        await Both(way_in).answers(*REQUESTS[0], key=key)


async def test_a_limit_of_the_tenant(way_in: WayIn) -> None:
    limits = TenantLimits(recipients_per_second=1, requests_per_second=None)
    way_in.directory.apply(record_of(TenantRecord(tenant="acme", limits=limits)))
    both, statuses = Both(way_in), set[int]()
    body = json.dumps(NOTIFICATION | {"recipients": ["ann", "bob"]}).encode()
    for _ in range(3):
        transport = httpx.ASGITransport(both.with_them)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            key = {"authorization": f"Bearer {way_in.keys['live']}"}
            statuses.add((await client.post("/v1/notifications", headers=key, content=body)).status_code)
    assert statuses == {202, 429}


@pytest.mark.parametrize("why", list(Refused))
async def test_what_the_server_has_refused(way_in: WayIn, why: Refused) -> None:
    refused: dict[str, Any] = {REFUSED: why}
    status, told, *_ = await Both(way_in).answers(*REQUESTS[0], key="live", **refused)
    assert status >= 400
    assert ("connection", "close") in told


async def test_bodies_for_which_there_is_no_room_are_refused_and_those_that_were_taken_make_room(
    way_in: WayIn,
) -> None:
    both = Both(way_in)
    for _ in range(200):  # far more than fits, if any stayed
        status, *_ = await both.answers(*REQUESTS[0])
        assert status == 202


async def test_a_caller_who_leaves_before_the_body_is_whole_is_not_answered(way_in: WayIn) -> None:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/notifications",
        "raw_path": b"/v1/notifications",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {way_in.keys['live']}".encode()),
            (b"content-length", b"100"),
        ],
    }
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await way_in.app(scope, receive, send)
    assert sent == []
    assert way_in.publisher.records == []
