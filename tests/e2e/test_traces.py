"""One trace from a producer's header to the ledger's row: a span for each stage, and no address, body or key in any."""

import asyncio
import json
import os
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer

from tocsin.contracts.codec import decode_status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.testing.span_collector import ReceivedSpan, SpanCollector
from tocsin.testing.until import until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.skipif("LOCAL_STACK" in os.environ, reason="that stack exports its spans elsewhere"),
]

BODY = "Samarkand-Ibis-Body"
DATA = {"order": BODY, "carrier": "ParcelCo", "arrives": "Friday"}
CHANNELS = ("email", "sms", "push")
STAGES = {
    ("router", "read"),
    ("router", "claim"),
    ("router", "fan_out"),
    ("router", "look_up"),
    ("router", "decide"),
    ("router", "render"),
    *((f"dispatch-{channel}", "wait") for channel in CHANNELS),
    *((f"dispatch-{channel}", "wait_for_provider") for channel in CHANNELS),
    *((f"dispatch-{channel}", "send") for channel in CHANNELS),
    *((f"dispatch-{channel}", "record") for channel in CHANNELS),
    ("ledger", "store"),
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
        assert {one["traceparent"][3:35] for one in statuses} == {trace}
    assert await traces_of_statuses(tocsin, event["id"]) == {trace}

    spans = await until_all(span_collector, trace, STAGES)
    assert {span.id for span in spans if span.name == "decide"} >= parents(spans, "send")
    assert {span.id for span in spans if span.name == "fan_out"} >= parents(spans, "decide")
    assert parents(spans, "fan_out") == {above}
    assert {span.trace for span in spans} == {trace}
    nowhere(span_collector, tocsin, "Tracestate-Of-Theirs")


async def test_a_request_over_http_goes_on_with_the_caller_s_trace(tocsin, span_collector):
    person = await tocsin.person()
    trace, above = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    headers = {"traceparent": f"00-{trace}-{above}-01"}
    answer = await tocsin.api.post("/v1/notifications", json=body, headers=headers)
    named = answer.json()["notifications"][0]["notification_id"]
    statuses = await tocsin.until_final(named)
    assert {one["traceparent"][3:35] for one in statuses} == {trace}
    stages = (STAGES - {("router", "fan_out")}) | {("ingest", "http"), ("ingest", "publish")}
    spans = await until_all(span_collector, trace, stages)
    assert parents(spans, "http") == {above}
    nowhere(span_collector, tocsin)


async def traces_of_statuses(tocsin, event_id: str) -> set[str]:
    """The traces of every status of the event, those of the event as a whole among them."""
    settings = KafkaSettings(bootstrap_servers=tocsin.stack["kafka"])
    batches = read_to_end(settings=settings, topic=Topics().status(Lane.TRANSACTIONAL), deadline=30)
    statuses = [decode_status(record.value or b"") async for batch in batches for record in batch]
    return {(one.traceparent or "")[3:35] for one in statuses if one.event_id == event_id}


async def until_all(collector: SpanCollector, trace: str, stages: set[tuple[str, str]]) -> list[ReceivedSpan]:
    """The trace's spans, once there is one of each of these stages of these services."""
    missing = stages

    def complete() -> bool:
        nonlocal missing
        missing = stages - {(span.service, span.name) for span in collector.spans(trace)}
        return not missing

    try:
        await until(complete, seconds=30, every=0.2)
    except TimeoutError:
        pytest.fail(f"no span of {sorted(missing)}")
    return collector.spans(trace)


def parents(spans: list[ReceivedSpan], name: str) -> set[str]:
    return {span.parent for span in spans if span.name == name}


def nowhere(collector: SpanCollector, tocsin: Any, *more: str) -> None:
    """No exported byte tells an address, a body or a key."""
    secrets = [BODY, "Secret-Name", *more]
    for person in tocsin.people:
        secrets += [person.email, person.phone, person.token]
    secrets += [tocsin.stack[name].rsplit("_", 1)[-1] for name in ("api_key", "admin_key")]
    exported = b"".join(collector.bodies)
    for secret in secrets:
        assert secret.encode() not in exported, f"{secret!r} stands in a span"
