"""The trace context that travels, and the spans that are recorded."""

import asyncio

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.observability import (
    admitted,
    begin_span,
    client_span,
    configure_tracing,
    current_span,
    current_traceparent,
    is_sampled,
    metrics,
    recording,
    shutdown_tracing,
    span,
    tracing_on,
)
from tocsin.testing.span_collector import SpanCollector

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def test_without_configuration_the_context_still_travels() -> None:
    with span("decide", SAMPLED) as decide:
        assert current_traceparent() == SAMPLED
        assert decide.opened is None
    assert current_traceparent() is None
    with span("decide"):
        assert current_traceparent() is None


def test_an_unsampled_parent_is_passed_on_and_nothing_recorded(spans: InMemorySpanExporter) -> None:
    with span("decide", UNSAMPLED, attributes={"lane": "bulk"}) as decide, client_span("POST", {}) as call:
        assert decide.opened is call.opened is current_span() is None
        assert current_traceparent() == UNSAMPLED
    assert spans.get_finished_spans() == ()


def test_a_sampled_parent_is_continued_span_under_span(spans: InMemorySpanExporter) -> None:
    with span("decide", SAMPLED, attributes={"lane": "bulk"}) as outer:
        between = current_traceparent()
        assert outer.opened is not None
        assert outer.opened is current_span()
        outer.opened.hand_down("notification", "n1")
        with span("render") as inner:
            assert inner.opened is not None
            inner.opened.set("channel", "email")
    render, decide = spans.get_finished_spans()
    assert between is not None
    assert decide.context is not None
    assert decide.parent is not None
    assert render.parent is not None
    assert between == f"00-{TRACE}-{decide.context.span_id:016x}-01"
    assert f"{decide.context.trace_id:032x}" == TRACE
    assert f"{decide.parent.span_id:016x}" == "b7ad6b7169203331"
    assert render.parent.span_id == decide.context.span_id
    assert dict(decide.attributes or {}) == {"lane": "bulk", "notification": "n1"}
    assert dict(render.attributes or {}) == {"channel": "email", "notification": "n1"}
    assert decide.resource.attributes["service.name"] == "router"


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_trace_that_begins_here_is_sampled_by_the_ratio(ratio: float) -> None:
    exporter = InMemorySpanExporter()
    configure_tracing("ingest", None, ratio, exporter=exporter)
    with span("accept"):
        begun = current_traceparent()
        with span("inner"):
            pass
    shutdown_tracing()
    assert is_sampled(begun) is (ratio == 1.0)
    assert len(exporter.get_finished_spans()) == (2 if ratio else 0)


@pytest.mark.parametrize(
    "malformed",
    ["", "x", SAMPLED.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", SAMPLED + "\n", f"{SAMPLED}-00"],
)
def test_a_malformed_parent_counts_as_none(spans: InMemorySpanExporter, malformed: str) -> None:
    assert not is_sampled(malformed)
    with span("decide", malformed):
        begun = current_traceparent()
    assert begun is not None
    assert TRACE not in begun


class Moment:
    """The process's clock, as the bound on what arrives reads it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_of_what_arrives_so_many_are_recorded_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = Moment()
    monkeypatch.setattr("tocsin.observability.tracing.monotonic", moment)
    configure_tracing("router", None, 0.0, each_second=2, exporter=InMemorySpanExporter())
    try:
        before = metrics.traces_not_recorded._value.get()
        assert [admitted(SAMPLED) for _ in range(5)] == [SAMPLED, SAMPLED, UNSAMPLED, UNSAMPLED, UNSAMPLED]
        assert metrics.traces_not_recorded._value.get() - before == 3
        moment.seconds += 1
        assert [admitted(UNSAMPLED), admitted(None), admitted("of no form")] == [
            UNSAMPLED,
            None,
            "of no form",
        ]
        assert [admitted(SAMPLED) for _ in range(3)] == [SAMPLED, SAMPLED, UNSAMPLED]
    finally:
        shutdown_tracing()
    assert admitted(SAMPLED) == SAMPLED, "where nothing is recorded it is passed on as it came"


def test_a_failure_is_marked_without_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ann"), span("send", SAMPLED):
        raise ValueError("ann@example.com")
    (failed,) = spans.get_finished_spans()
    assert failed.status.description == "ValueError"
    assert dict(failed.attributes or {}) == {"error.type": "ValueError"}
    assert failed.events == ()


def test_spans_are_exported_to_the_endpoint_over_http() -> None:
    with SpanCollector() as collector:
        configure_tracing("router", f"{collector.endpoint}/", 0.0)
        with span("decide", SAMPLED, "server", {"lane": "bulk"}):
            pass
        shutdown_tracing()
    assert collector.paths == ["/v1/traces"]
    (exported,) = collector.spans(TRACE)
    assert (exported.service, exported.name, exported.kind, exported.parent) == (
        "router",
        "decide",
        "server",
        "b7ad6b7169203331",
    )
    assert exported.attributes == {"lane": "bulk"}


async def test_tasks_at_once_keep_their_own_context(spans: InMemorySpanExporter) -> None:
    async def one(number: int) -> bool:
        mine = f"00-{number:032x}-b7ad6b7169203331-00"
        with span("send", mine):
            await asyncio.sleep(0)
            return current_traceparent() == mine

    assert all(await asyncio.gather(*(one(number) for number in range(1, 20))))


def test_a_span_is_ended_by_whoever_began_it(spans: InMemorySpanExporter) -> None:
    assert begin_span("claim", UNSAMPLED) is None
    assert begin_span("claim", None) is None
    opened = begin_span("claim", SAMPLED, ago=0.25, links=[SAMPLED])
    assert opened is not None
    opened.child("inner", "client").end("refused")
    opened.end()
    inner, claim = spans.get_finished_spans()
    assert claim.parent is not None
    assert inner.parent is not None
    assert f"{claim.parent.span_id:016x}" == "b7ad6b7169203331"
    assert inner.parent.span_id == claim.context.span_id
    assert (claim.end_time or 0) - (claim.start_time or 0) >= 250_000_000
    assert [link.context.trace_id for link in claim.links] == [int(TRACE, 16)]
    assert inner.status.description == "refused"


def test_what_is_recorded_depends_on_the_trace_and_on_the_process(spans: InMemorySpanExporter) -> None:
    assert tracing_on()
    assert [recording(traceparent) for traceparent in (SAMPLED, UNSAMPLED, "x1", "", None)] == [
        True,
        *[False] * 4,
    ]
    shutdown_tracing()
    assert not tracing_on()
    assert not recording(SAMPLED)
    assert begin_span("claim", SAMPLED) is None
    assert spans.get_finished_spans() == ()
