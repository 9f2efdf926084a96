"""The spans of a timer that fires, and the context that its record goes on with."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.observability import configure_tracing, shutdown_tracing
from tocsin.scheduler.firing_spans import FiringSpans
from tocsin.scheduler.timers_table import DueTimer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def timer(traceparent: str | None) -> DueTimer:
    record = msgspec.json.encode(
        {"body": TRACE, "intent": {"traceparent": traceparent}, "traceparent": traceparent}
    )
    due = NOW - timedelta(seconds=30)
    return DueTimer(1, 7, "t1", due, False, "jobs.sms.bulk", b"k", record, traceparent, "n1")


def firing() -> FiringSpans:
    return FiringSpans(topics={1: "timers.bulk"}, group="scheduler.bulk", now=NOW)


def test_what_fires_goes_on_below_a_span_of_its_own(spans: InMemorySpanExporter) -> None:
    fires = firing()
    fired = fires.begin(timer(SAMPLED))
    assert spans.get_finished_spans() == ()
    fires.committed()
    send, process = spans.get_finished_spans()
    assert (process.name, process.kind.name) == ("process timers.bulk", "CONSUMER")
    assert (send.name, send.kind.name) == ("send jobs.sms.bulk", "PRODUCER")
    assert (process.end_time or 0) - (process.start_time or 0) >= 30 * 10**9  # since it was due
    assert (process.attributes or {})["messaging.kafka.offset"] == 7
    assert (send.attributes or {})["tocsin.notification_id"] == "n1"
    assert send.parent is not None
    assert send.parent.span_id == process.context.span_id
    told = f"00-{TRACE}-{send.context.span_id:016x}-01"
    assert msgspec.json.decode(fired.record) == {
        "body": TRACE,
        "intent": {"traceparent": told},
        "traceparent": told,
    }


def test_what_fires_beyond_the_bound_goes_on_unsampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.observability.tracing.monotonic", lambda: 100.0)
    exporter = InMemorySpanExporter()
    configure_tracing("scheduler", None, 0.0, each_second=1, exporter=exporter)
    fires = firing()
    fired = [msgspec.json.decode(fires.begin(timer(SAMPLED)).record)["traceparent"] for _ in range(2)]
    fires.committed()
    shutdown_tracing()
    assert len(exporter.get_finished_spans()) == 2, "send and process of the first"
    assert fired[0].endswith("-01")
    assert fired[1] == UNSAMPLED


def test_data_of_a_producer_stay_as_they_are(spans: InMemorySpanExporter) -> None:
    fires = timer(SAMPLED)
    fires = fires._replace(record=fires.record.replace(b'"body":"', b'"body":"%b ' % SAMPLED.encode()))
    assert firing().begin(fires) == fires
    assert spans.get_finished_spans() == ()


def test_what_is_not_recorded_goes_on_as_it_is(spans: InMemorySpanExporter) -> None:
    for traceparent in (UNSAMPLED, None):
        assert firing().begin(timer(traceparent)) == timer(traceparent)
    assert spans.get_finished_spans() == ()
