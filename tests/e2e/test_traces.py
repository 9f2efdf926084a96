"""One trace from a producer's header to the ledger's row: a span for each stage, and no address, body or key in any."""

import asyncio
import json
import os
import uuid
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tocsin.contracts.codec import decode_status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.observability.tracing import CONVENTIONS
from tocsin.testing.service_graph import service_graph
from tocsin.testing.span_collector import ReceivedSpan, SpanCollector
from tocsin.testing.until import until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.skipif("LOCAL_STACK" in os.environ, reason="that stack exports its spans elsewhere"),
]

BODY = "Samarkand-Ibis-Body"
DATA = {"order": BODY, "carrier": "ParcelCo", "arrives": "Friday"}
EVENTS, INTENTS, STATUS = (f"tocsin.{family}.transactional" for family in ("events", "intents", "status"))
CHANNELS = {"email": "SMTP", "sms": "POST", "push": "POST"}
"""And how its provider is called."""
JOBS = {channel: f"tocsin.jobs.{channel}.transactional" for channel in CHANNELS}
Named = dict[tuple[str, str], str]
"""The kind of each span, by service and name."""

DELIVERED: Named = {
    **{("router", f"send {topic}"): "producer" for topic in (*JOBS.values(), STATUS)},
    **{(f"dispatch-{channel}", f"process {topic}"): "consumer" for channel, topic in JOBS.items()},
    **{(f"dispatch-{channel}", "attempt"): "internal" for channel in CHANNELS},
    **{(f"dispatch-{channel}", call): "client" for channel, call in CHANNELS.items()},
    **{(f"dispatch-{channel}", f"send {STATUS}"): "producer" for channel in CHANNELS},
    ("ledger", f"process {STATUS}"): "consumer",
}
FROM_KAFKA: Named = DELIVERED | {
    ("router", f"process {EVENTS}"): "consumer",
    ("router", f"send {INTENTS}"): "producer",
    ("router", f"process {INTENTS}"): "consumer",
}
OVER_HTTP: Named = DELIVERED | {
    ("ingest", "POST /v1/notifications"): "server",
    ("ingest", f"send {EVENTS}"): "producer",
    ("router", f"process {EVENTS}"): "consumer",
}
ATTRIBUTES = {
    "server": {"http.request.method", "http.route", "http.response.status_code", "url.scheme"},
    "producer": {
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
    },
    "consumer": {
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "messaging.destination.partition.id",
        "messaging.kafka.offset",
        "messaging.consumer.group.name",
    },
    "client": {"server.address", "server.port"},
    "internal": {"tocsin.provider", "tocsin.attempt"},
}
"""What a span of this kind has at least."""
EDGES = {
    ("router", "ledger"),
    *(("router", f"dispatch-{channel}") for channel in CHANNELS),
    *((f"dispatch-{channel}", "ledger") for channel in CHANNELS),
    *((f"dispatch-{channel}", "127.0.0.1") for channel in CHANNELS),
}


async def test_an_event_from_kafka_is_one_trace_from_its_header_to_the_ledger(tocsin, span_collector):
    people = [await tocsin.person(), await tocsin.person()]
    trace, above = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "https://foreign.example",
        "type": "tocsin.notification.requested.v1",
        "tenant": tocsin.sample["tenant"],
        "data": {
            "workflow": tocsin.sample["workflow"],
            "recipients": [person.id for person in people],
            "data": DATA,
        },
    }
    producer = Producer({"bootstrap.servers": tocsin.stack["kafka"]})
    headers: dict[str, str | bytes | None] = {
        "content-type": "application/cloudevents+json",
        "traceparent": f"00-{trace}-{above}-01",
        "tracestate": "vendor=Tracestate-Of-Theirs",
    }
    producer.produce("tocsin.events.transactional", value=json.dumps(event).encode(), headers=headers)
    assert await asyncio.to_thread(producer.flush, 30) == 0
    for person in people:
        named = tocsin.notification(event_id=event["id"], source=event["source"], recipient=person.id)
        statuses = await tocsin.until_final(named)
        assert {status["traceparent"][3:35] for status in statuses} == {trace}
    assert await traces_of_statuses(tocsin, event["id"]) == {trace}

    spans = await until_all(span_collector, trace, FROM_KAFKA)
    assert kinds(spans) == FROM_KAFKA
    assert parents(spans, f"process {EVENTS}") == {above}
    assert parents(spans, f"process {INTENTS}") == ids(spans, f"send {INTENTS}")
    (fan_out,) = [span for span in spans if span.name == f"send {INTENTS}"]
    assert fan_out.attributes["messaging.batch.message_count"] == len(people)
    assert set(service_graph(spans)) >= EDGES
    nowhere(span_collector, tocsin, "Tracestate-Of-Theirs")


async def test_a_request_over_http_goes_on_with_the_caller_s_trace(tocsin, span_collector):
    person = await tocsin.person()
    trace, above = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    headers = {"traceparent": f"00-{trace}-{above}-01"}
    answer = await tocsin.api.post("/v1/notifications", json=body, headers=headers)
    named = answer.json()["notifications"][0]["notification_id"]
    statuses = await tocsin.until_final(named)
    assert {status["traceparent"][3:35] for status in statuses} == {trace}
    spans = await until_all(span_collector, trace, OVER_HTTP)
    assert kinds(spans) == OVER_HTTP
    assert parents(spans, "POST /v1/notifications") == {above}
    assert set(service_graph(spans)) == {("ingest", "router"), *EDGES}
    for span in spans:
        assert span.attributes.keys() >= ATTRIBUTES[span.kind], span
        assert span.attributes["tocsin.notification_id"] == named, span
        assert span.error is None, span
        assert span.conventions == CONVENTIONS
        assert span.resource["service.namespace"] == "tocsin"
        assert span.resource["service.version"] == version("tocsin-common")
    # From a notification's id to its trace: a search for the attribute finds nothing else.
    recorded = [span for span in span_collector.all_spans() if span.attributes.get("tocsin.notification_id") == named]  # fmt: skip
    assert {span.trace for span in recorded} == {trace}
    nowhere(span_collector, tocsin)


async def test_what_a_batch_does_once_is_one_span_with_links(tocsin, span_collector):
    person = await tocsin.person()
    trace = uuid.uuid4().hex
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    headers = {"traceparent": f"00-{trace}-{uuid.uuid4().hex[:16]}-01"}
    answer = await tocsin.api.post("/v1/notifications", json=body, headers=headers)
    await tocsin.until_final(answer.json()["notifications"][0]["notification_id"])
    spans = await until_all(span_collector, trace, OVER_HTTP)
    statements = {"router": "INSERT directory.claims", "ledger": "COPY ledger.statuses"}
    for service, topic in (("router", EVENTS), ("ledger", STATUS)):
        messages = [span for span in spans if (span.service, span.name) == (service, f"process {topic}")]
        elsewhere = {span.id: span for span in span_collector.all_spans() if span.trace != trace}
        for message in messages:
            (batch,) = [elsewhere[link] for link in message.links]
            assert (batch.service, batch.kind, batch.parent) == (service, "consumer", "")
            assert message.parent in batch.links
            assert batch.attributes["messaging.batch.message_count"] >= 1
            below = [span for span in elsewhere.values() if span.parent == batch.id]
            assert statements[service] in {span.name for span in below}
            assert {span.kind for span in below} == {"client"}
            assert all(span.attributes["server.address"] for span in below)
    assert ("router", "postgresql") in service_graph(span_collector.all_spans())


async def test_neither_probes_nor_scrapes_are_traced(tocsin, span_collector):
    for operations in tocsin.endpoints()["operations"].values():
        async with httpx.AsyncClient(base_url=operations) as client:
            for path in ("/livez", "/readyz", "/metrics"):
                headers = {"traceparent": f"00-{'5' * 32}-{'6' * 16}-01"}
                assert (await client.get(path, headers=headers)).status_code == 200
    trace = uuid.uuid4().hex
    await tocsin.api.get(
        f"/v1/timelines/{uuid.uuid4()}", headers={"traceparent": f"00-{trace}-{'6' * 16}-01"}
    )
    asked = ("ledger", "GET /v1/timelines/{notification_id}")
    spans = await until_all(span_collector, trace, {asked: "server", ("ledger", "SELECT"): "client"})
    assert ("ledger", "postgresql") in service_graph(spans)
    assert span_collector.spans("5" * 32) == []
    routes = {span.attributes.get("http.route") for span in span_collector.all_spans()}
    assert not routes & {"/livez", "/readyz", "/metrics"}


async def traces_of_statuses(tocsin, event_id: str) -> set[str]:
    """The traces of every status of the event, those of the event as a whole among them."""
    settings = KafkaSettings(bootstrap_servers=tocsin.stack["kafka"])
    batches = read_to_end(settings=settings, topic=Topics().status(Lane.TRANSACTIONAL), deadline=30)
    statuses = [decode_status(record.value or b"") async for batch in batches for record in batch]
    return {(status.traceparent or "")[3:35] for status in statuses if status.event_id == event_id}


async def until_all(collector: SpanCollector, trace: str, wanted: Named) -> list[ReceivedSpan]:
    """The trace's spans, once there is one of each of these, the ledger has told of each dispatcher's status, and nothing that a span points
    to is missing but the caller's own span."""
    missing = set(wanted)

    def complete() -> bool:
        nonlocal missing
        spans = collector.spans(trace)
        missing = set(wanted) - set(kinds(spans))
        links = {link for span in spans for link in span.links}
        return (
            not missing
            and len({span.parent for span in spans} - {span.id for span in spans}) == 1
            and links <= {span.id for span in collector.all_spans()}
            and (wanted.keys().isdisjoint(DELIVERED) or set(service_graph(spans)) >= EDGES)
        )

    try:
        await until(complete, seconds=30, every=0.2)
    except TimeoutError:
        pytest.fail(f"no span of {sorted(missing)}, or one that points to nothing")
    return collector.spans(trace)


def kinds(spans: list[ReceivedSpan]) -> Named:
    return {(span.service, span.name): span.kind for span in spans}


def parents(spans: list[ReceivedSpan], name: str) -> set[str]:
    return {span.parent for span in spans if span.name == name}


def ids(spans: list[ReceivedSpan], name: str) -> set[str]:
    return {span.id for span in spans if span.name == name}


def nowhere(collector: SpanCollector, tocsin: Any, *more: str) -> None:
    """No exported byte tells an address, a body or a key."""
    secrets = [BODY, "Secret-Name", *more]
    for person in tocsin.people:
        secrets += [person.email, person.phone, person.token]
    secrets += [tocsin.stack[name].rsplit("_", 1)[-1] for name in ("api_key", "admin_key")]
    exported = b"".join(collector.bodies)
    for secret in secrets:
        assert secret.encode() not in exported, f"{secret!r} stands in a span"
