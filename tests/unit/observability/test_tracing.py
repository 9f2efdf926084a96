"""The trace context that travels, and the spans that are recorded."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.observability import (
    configure_tracing,
    current_traceparent,
    is_sampled,
    record_span,
    recording,
    shutdown_tracing,
    span,
    spans_beside,
    tracing_on,
)
from tocsin.testing.span_collector import SpanCollector

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    configure_tracing("router", None, 0.0, exporter=exporter)
    yield exporter
    shutdown_tracing()


def test_without_configuration_the_context_still_travels() -> None:
    with span("decide", SAMPLED) as one:
        assert current_traceparent() == SAMPLED
        assert not one.recorded
    assert current_traceparent() is None
    with span("decide"):
        assert current_traceparent() is None


def test_an_unsampled_parent_is_passed_on_and_nothing_recorded(spans: InMemorySpanExporter) -> None:
    with span("decide", UNSAMPLED, lane="bulk") as one:
        one.set("records", 3)
        assert current_traceparent() == UNSAMPLED
    assert spans.get_finished_spans() == ()


def test_a_sampled_parent_is_continued_span_under_span(spans: InMemorySpanExporter) -> None:
    with span("decide", SAMPLED, lane="bulk"):
        between = current_traceparent()
        with span("render") as inner:
            inner.set("channel", "email")
    render, decide = spans.get_finished_spans()
    assert between is not None
    assert decide.context is not None
    assert decide.parent is not None
    assert render.parent is not None
    assert between == f"00-{TRACE}-{decide.context.span_id:016x}-01"
    assert f"{decide.context.trace_id:032x}" == TRACE
    assert f"{decide.parent.span_id:016x}" == "b7ad6b7169203331"
    assert render.parent.span_id == decide.context.span_id
    assert dict(decide.attributes or {}) == {"lane": "bulk"}
    assert dict(render.attributes or {}) == {"channel": "email"}
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


def test_a_failure_is_marked_without_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ann"), span("send", SAMPLED):
        raise ValueError("ann@example.com")
    (failed,) = spans.get_finished_spans()
    assert failed.status.description == "ValueError"
    assert failed.events == ()


def test_spans_are_exported_to_the_endpoint_over_http() -> None:
    with SpanCollector() as collector:
        configure_tracing("router", f"{collector.endpoint}/", 0.0)
        with span("decide", SAMPLED, lane="bulk"):
            pass
        shutdown_tracing()
    assert collector.paths == ["/v1/traces"]
    (one,) = collector.spans(TRACE)
    assert (one.service, one.name, one.parent) == ("router", "decide", "b7ad6b7169203331")
    assert one.attributes == {"lane": "bulk"}


async def test_tasks_at_once_keep_their_own_context(spans: InMemorySpanExporter) -> None:
    async def one(number: int) -> bool:
        mine = f"00-{number:032x}-b7ad6b7169203331-00"
        with span("send", mine):
            await asyncio.sleep(0)
            return current_traceparent() == mine

    assert all(await asyncio.gather(*(one(number) for number in range(1, 20))))


def test_a_stage_that_has_ended_is_told_for_each_record_that_went_through_it(
    spans: InMemorySpanExporter,
) -> None:
    record_span("claim", SAMPLED, seconds=0.25, lane="bulk")
    record_span("claim", UNSAMPLED, seconds=0.25)
    record_span("claim", None, seconds=0.25)
    (claim,) = spans.get_finished_spans()
    assert claim.parent is not None
    assert f"{claim.parent.span_id:016x}" == "b7ad6b7169203331"
    assert (claim.end_time or 0) - (claim.start_time or 0) == 250_000_000
    assert dict(claim.attributes or {}) == {"lane": "bulk"}


def test_what_is_recorded_depends_on_the_trace_and_on_the_process(spans: InMemorySpanExporter) -> None:
    assert tracing_on()
    assert [recording(one) for one in (SAMPLED, UNSAMPLED, "x", None)] == [True, False, False, False]
    shutdown_tracing()
    assert not tracing_on()
    assert not recording(SAMPLED)
    record_span("claim", SAMPLED, seconds=0.25)
    assert spans.get_finished_spans() == ()


def test_records_side_by_side_have_a_span_each_and_none_is_the_current_one(
    spans: InMemorySpanExporter,
) -> None:
    with spans_beside("decide", [SAMPLED, UNSAMPLED, None, "malformed"], lane="bulk") as (first, *others):
        assert current_traceparent() is None
    (decide,) = spans.get_finished_spans()
    assert first == f"00-{TRACE}-{decide.context.span_id:016x}-01"
    assert others[0] == UNSAMPLED
    assert [is_sampled(begun) for begun in others] == [False] * 3
    with pytest.raises(ZeroDivisionError), spans_beside("decide", [SAMPLED, SAMPLED]):
        raise ZeroDivisionError("an address")
    assert [one.status.description for one in spans.get_finished_spans()[1:]] == ["ZeroDivisionError"] * 2
