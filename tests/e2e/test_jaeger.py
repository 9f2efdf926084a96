"""What a real Jaeger, with the configuration that is shipped, makes of a whole installation's spans.

It is built from its Go module, so the first run takes minutes.
"""

import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from tests.whole_stack import whole_stack

from tocsin.dev.observe import JaegerServer
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.nightly]

PRODUCER = ("shop", "order shipped")
JOBS, EVENTS, STATUS = (f"tocsin.{topic}.transactional" for topic in ("jobs.email", "events", "status"))
STATUSES = 4
"""Records about one message on three channels: the router's decision, and what became of each delivery."""
FROM_THE_HAND_OFF = [
    ("dispatch-email", "SMTP"),
    ("dispatch-email", "attempt"),
    ("dispatch-email", f"process {JOBS}"),
    ("router", f"send {JOBS}"),
    ("router", f"process {EVENTS}"),
    ("ingest", f"send {EVENTS}"),
    ("ingest", "POST /v1/notifications"),
    PRODUCER,
]
DISPATCHERS = ("dispatch-email", "dispatch-sms", "dispatch-push")
GRAPH = {
    ("shop", "ingest"),
    ("ingest", "router"),
    *(("router", dispatcher) for dispatcher in DISPATCHERS),
    *((dispatcher, "ledger") for dispatcher in DISPATCHERS),
    ("router", "ledger"),
}


class Found(NamedTuple):
    """A span as Jaeger has it; `parent` is empty where there is none."""

    service: str
    name: str
    id: str
    parent: str


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerServer]:
    with JaegerServer(tmp_path_factory.mktemp("jaeger")) as server:
        yield server


@pytest.fixture(scope="module")
def local_stack(tmp_path_factory: pytest.TempPathFactory, jaeger: JaegerServer) -> Iterator[dict[str, Any]]:
    """One of this file's own, which exports to Jaeger."""
    with whole_stack(tmp_path_factory.mktemp("traced"), spans_to=jaeger.otlp) as stack:
        yield stack


async def test_one_trace_leads_from_the_producer_to_the_hand_off_and_every_edge_is_drawn(
    tocsin: Any, jaeger: JaegerServer
) -> None:
    person = await tocsin.person()
    with span_of_a_producer(jaeger) as traceparent:
        body = {
            "workflow": tocsin.sample["workflow"],
            "recipients": [person.id],
            "data": {"order": uuid.uuid4().hex, "carrier": "ParcelCo", "arrives": "Friday"},
        }
        headers = {"traceparent": traceparent}
        answer = await tocsin.api.post("/v1/notifications", json=body, headers=headers)
    notification = answer.json()["notifications"][0]["notification_id"]
    await tocsin.assert_three_messages(notification)

    trace = traceparent[3:35]
    await until(lambda: whole(spans_of(jaeger, trace)), seconds=120, every=0.5)
    spans = spans_of(jaeger, trace)
    assert {way(span, spans)[-1] for span in spans} == {PRODUCER}
    (hand_off,) = [span for span in spans if (span.service, span.name) == FROM_THE_HAND_OFF[0]]
    assert way(hand_off, spans) == FROM_THE_HAND_OFF

    # From a notification to its trace, as the page says.
    tags = json.dumps({"tocsin.notification_id": notification})
    found = ask(jaeger, "traces", service="router", tags=tags, **until_now())
    assert [one["traceID"] for one in found] == [trace]
    assert graph(jaeger) == GRAPH


@contextlib.contextmanager
def span_of_a_producer(jaeger: JaegerServer) -> Iterator[str]:
    """A span of another program, which knows nothing of Tocsin but its address; yields the traceparent for the request."""
    provider = TracerProvider(resource=Resource.create({"service.name": PRODUCER[0]}))
    exporter = OTLPSpanExporter(endpoint=f"{jaeger.otlp}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("shop").start_as_current_span(PRODUCER[1], kind=SpanKind.CLIENT) as span:
        context = span.get_span_context()
        yield f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    provider.shutdown()


def ask(jaeger: JaegerServer, what: str, **of: str | int) -> list[dict[str, Any]]:
    """What Jaeger's pages ask for; nothing where it knows no such trace."""
    answer = httpx.get(f"{jaeger.query}/api/{what}", params=of, timeout=30)
    return list(answer.json()["data"] or []) if answer.status_code != 404 else []


def until_now() -> dict[str, int]:
    """The last hour, in the microseconds of its search."""
    now = time.time_ns() // 1_000
    return {"start": now - 3_600_000_000, "end": now}


def spans_of(jaeger: JaegerServer, trace: str) -> list[Found]:
    return [
        Found(
            service=found["processes"][span["processID"]]["serviceName"],
            name=span["operationName"],
            id=span["spanID"],
            parent=next(
                (above["spanID"] for above in span["references"] if above["refType"] == "CHILD_OF"), ""
            ),
        )
        for found in ask(jaeger, f"traces/{trace}")
        for span in found["spans"]
    ]


def whole(spans: list[Found]) -> bool:
    """Whether the mail is handed over, the ledger has told of every status, and each span but the producer's has the one that it names above it."""
    named = Counter((span.service, span.name) for span in spans)
    return (
        named["ledger", f"process {STATUS}"] == STATUSES
        and FROM_THE_HAND_OFF[0] in named
        and {span.parent for span in spans} - {span.id for span in spans} == {""}
    )


def way(span: Found, spans: list[Found]) -> list[tuple[str, str]]:
    """From a span to the trace's first."""
    known = {one.id: one for one in spans}
    names = [(span.service, span.name)]
    while above := known.get(span.parent):
        names.append((above.service, above.name))
        span = above
    return names


def graph(jaeger: JaegerServer) -> set[tuple[str, str]]:
    """Which service has called which other one in the last hour."""
    links = ask(jaeger, "dependencies", endTs=time.time_ns() // 1_000_000, lookback=3_600_000)
    return {(link["parent"], link["child"]) for link in links if link["parent"] != link["child"]}
