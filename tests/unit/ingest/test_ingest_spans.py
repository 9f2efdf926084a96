"""The spans of a request: that of the request, and that of each event on its way into Kafka."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.contracts.cloudevents import read_kafka
from tocsin.kafka import NotStored, Overloaded
from tocsin.observability import configure_tracing, shutdown_tracing

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn

EVENT = {
    "specversion": "1.0",
    "source": "/shop",
    "type": "com.shop.shipped",
    "subject": "ann",
    "data": {"order": "A1"},
}
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
GOOD: dict[str, Any] = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"order": "A1"}}


def of(spans: InMemorySpanExporter, kind: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.kind.name == kind]


async def test_a_request_and_its_event_are_one_trace(way_in: "WayIn", spans: InMemorySpanExporter) -> None:
    answer = await way_in.post("/v1/notifications", GOOD, traceparent=SAMPLED)
    (request,), (send,) = of(spans, "SERVER"), of(spans, "PRODUCER")
    named = answer.json()["notifications"][0]["notification_id"]
    assert request.name == "POST /v1/notifications"
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/notifications",
        "http.response.status_code": 202,
        "url.scheme": "http",
        "tocsin.notification_id": named,
    }
    assert send.name == f"send {way_in.stored.topic}"
    assert (send.attributes or {})["tocsin.notification_id"] == named
    assert (send.attributes or {})["messaging.kafka.offset"] == 0
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == SAMPLED[36:52]
    assert send.parent is not None
    assert send.parent.span_id == request.context.span_id
    assert way_in.headers["traceparent"] == f"00-{TRACE}-{send.context.span_id:016x}-01"


async def test_each_event_of_a_batch_carries_a_context_of_its_own(
    way_in: "WayIn", spans: InMemorySpanExporter
) -> None:
    own = f"00-{'9' * 32}-{'8' * 16}-01"
    batch = [EVENT | {"id": "1"}, EVENT | {"id": "2", "traceparent": own}, EVENT | {"id": "3"}]
    headers = {"content_type": "application/cloudevents-batch+json", "traceparent": SAMPLED}
    assert (await way_in.post("/v1/events", batch, **headers)).status_code == 202
    carried = [read_kafka(record.headers, record.value).traceparent for record in way_in.publisher.records]
    told = [f"00-{s.context.trace_id:032x}-{s.context.span_id:016x}-01" for s in of(spans, "PRODUCER")]
    assert carried == told
    assert [each[3:35] for each in told] == [TRACE, "9" * 32, TRACE]


@pytest.fixture
def one_a_second(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is recorded where the bound is one a second, and no second passes."""
    monkeypatch.setattr("tocsin.observability.tracing.monotonic", lambda: 100.0)
    exporter = InMemorySpanExporter()
    configure_tracing("ingest", None, 0.0, each_second=1, exporter=exporter)
    yield exporter
    shutdown_tracing()


async def test_a_caller_who_samples_everything_has_so_many_requests_recorded(
    way_in: "WayIn", one_a_second: InMemorySpanExporter
) -> None:
    for _ in range(3):
        await way_in.post("/v1/notifications", GOOD, traceparent=SAMPLED)
    carried = [read_kafka(record.headers, record.value).traceparent for record in way_in.publisher.records]
    assert [len(of(one_a_second, kind)) for kind in ("SERVER", "PRODUCER")] == [1, 1]
    assert [str(each)[-2:] for each in carried] == ["01", "00", "00"]
    assert carried[1:] == [UNSAMPLED] * 2


async def test_events_with_traces_of_their_own_count_each_and_those_of_the_request_with_it(
    way_in: "WayIn", one_a_second: InMemorySpanExporter
) -> None:
    batch = [
        EVENT | {"id": "1", "traceparent": SAMPLED},
        EVENT | {"id": "2", "traceparent": f"00-{'9' * 32}-{'8' * 16}-01"},
    ]
    headers = {"content_type": "application/cloudevents-batch+json", "traceparent": SAMPLED}
    assert (await way_in.post("/v1/events", batch, **headers)).status_code == 202
    carried = [read_kafka(record.headers, record.value).traceparent for record in way_in.publisher.records]
    assert [str(each)[-2:] for each in carried] == ["01", "00"]


async def test_an_unsampled_request_goes_on_as_it_came(way_in: "WayIn", spans: InMemorySpanExporter) -> None:
    await way_in.post("/v1/notifications", GOOD, traceparent=UNSAMPLED)
    assert way_in.headers["traceparent"] == UNSAMPLED
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("failure", "code"), [(NotStored("away"), "not_known_to_be_stored"), (Overloaded("full"), "overloaded")]
)
async def test_a_send_that_failed_says_so(
    failure: Exception, code: str, way_in: "WayIn", spans: InMemorySpanExporter
) -> None:
    way_in.publisher.failure = failure
    await way_in.post("/v1/notifications", GOOD, traceparent=SAMPLED)
    (request,), (send,) = of(spans, "SERVER"), of(spans, "PRODUCER")
    assert (send.status.description, request.status.description) == (code, "503")


@pytest.mark.parametrize(
    ("call", "name", "status"),
    [
        (lambda way_in, headers: way_in.client.get("/secret/ann@example.com", headers=headers), "GET", 404),
        (lambda way_in, headers: way_in.client.request("BREW", "/ann", headers=headers), "HTTP", 404),
    ],
)
async def test_a_request_that_no_route_knows_is_named_by_its_method_alone(
    call: Callable[["WayIn", dict[str, str]], Any],
    name: str,
    status: int,
    way_in: "WayIn",
    spans: InMemorySpanExporter,
) -> None:
    await call(way_in, {"traceparent": SAMPLED})
    (request,) = of(spans, "SERVER")
    assert request.name == name
    assert (request.attributes or {})["http.response.status_code"] == status
    assert request.status.description is None
    assert "ann" not in request.to_json()
