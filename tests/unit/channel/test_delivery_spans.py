"""The spans of a delivery: its record, its attempts, and what tells of its end."""

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.unit.channel.conftest import TOPICS, UNREACHABLE

from tocsin.channel import Accepted, Ambiguous, Answer, Rejected, Throttled
from tocsin.contracts.codec import decode_job, decode_timer
from tocsin.contracts.timers import SetTimer
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.observability import configure_tracing, shutdown_tracing
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


async def delivered(bench: "LaneBench", *answers: Answer, traceparent: str | None = SAMPLED) -> str | None:
    """The traceparent of the status with which one job ends."""
    await bench.open()
    bench.provider().answers["1"] = list(answers)
    shard, _ = bench.start()
    shard.put(bench.job(1, traceparent=traceparent))
    await until(lambda: bool(bench.statuses))
    await shard.revoke()  # which waits until that is stored
    return bench.statuses[0].traceparent


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def above(span: ReadableSpan) -> int:
    """The id of its parent."""
    assert span.parent is not None
    return span.parent.span_id


async def test_a_delivery_is_one_span_with_one_below_for_each_call_and_each_record(
    bench: "LaneBench", spans: InMemorySpanExporter
):
    told = await delivered(bench, Accepted())
    lane = bench.lane
    jobs, status = f"process {TOPICS.jobs(Channel.SMS, lane)}", f"send {TOPICS.status(lane)}"
    named = by_name(spans)
    assert {name: span.kind.name for name, span in named.items()} == {
        jobs: "CONSUMER",
        "attempt": "INTERNAL",
        status: "PRODUCER",
    }
    about = {"tocsin.delivery_id": "d1", "tocsin.notification_id": bench.job(1).notification_id}
    assert all(about.items() <= said(span).items() for span in named.values())
    assert said(named["attempt"]).items() >= {"tocsin.attempt": 1, "tocsin.provider": "first"}.items()
    assert said(named[jobs])["tocsin.status"] == "sent"
    assert said(named[jobs])["messaging.consumer.group.name"] == TOPICS.group("dispatch-sms", lane)
    assert said(named[status])["messaging.kafka.offset"] == 0
    assert f"{above(named[jobs]):016x}" == SAMPLED[36:52]
    assert above(named["attempt"]) == above(named[status]) == named[jobs].context.span_id
    assert told == f"00-{TRACE}-{named[status].context.span_id:016x}-01"


async def test_a_job_beyond_the_bound_is_delivered_without_spans_and_nobody_behind_has_any(
    bench: "LaneBench",
):
    exporter = InMemorySpanExporter()
    configure_tracing("dispatch-sms", None, 0.0, each_second=0, exporter=exporter)
    told = await delivered(bench, Accepted())
    shutdown_tracing()
    assert told == UNSAMPLED
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Rejected(reason=Reason.ADDRESS_INVALID, code="550", detail="ann@example.com"), "address_invalid"),
        (UNREACHABLE, "unreachable"),
        (Throttled(retry_after=0.01), "throttled"),
        (Ambiguous(), "no_answer"),
    ],
)
async def test_an_attempt_fails_with_its_reason_alone(
    answer: Answer, code: str, bench: "LaneBench", spans: InMemorySpanExporter
):
    await delivered(bench, answer)
    first = next(span for span in spans.get_finished_spans() if span.name == "attempt")
    assert first.status.description == said(first)["error.type"] == code
    assert "example.com" not in str([span.to_json() for span in spans.get_finished_spans()])


async def test_a_delivery_that_fails_says_why(bench: "LaneBench", spans: InMemorySpanExporter):
    await delivered(bench, Rejected(reason=Reason.CONTENT_REFUSED))
    (process,) = [span for span in spans.get_finished_spans() if span.kind.name == "CONSUMER"]
    assert process.status.description == "content_refused"


async def test_what_is_put_off_goes_on_in_the_same_trace(bench: "LaneBench", spans: InMemorySpanExporter):
    await delivered(bench, *[UNREACHABLE] * 3)
    (record,) = bench.cluster.read(TOPICS.timers(bench.lane))
    timer = decode_timer(record.value or b"")
    assert isinstance(timer, SetTimer)
    send = by_name(spans)[f"send {TOPICS.timers(bench.lane)}"]
    assert timer.traceparent == f"00-{TRACE}-{send.context.span_id:016x}-01"
    assert decode_job(bytes(timer.private.record)).traceparent == timer.traceparent
    process = next(span for span in spans.get_finished_spans() if span.kind.name == "CONSUMER")
    assert said(process)["tocsin.status"] == "deferred"
    assert process.status.description is None


async def test_an_unsampled_delivery_has_no_span(bench: "LaneBench", spans: InMemorySpanExporter):
    assert await delivered(bench, UNREACHABLE, Accepted(), traceparent=UNSAMPLED) == UNSAMPLED
    assert spans.get_finished_spans() == ()


async def test_without_tracing_the_context_still_travels(bench: "LaneBench"):
    shutdown_tracing()
    assert await delivered(bench, Accepted()) == SAMPLED


async def test_what_a_revoked_shard_lets_go_says_so(bench: "LaneBench", spans: InMemorySpanExporter):
    await bench.open()
    bench.provider().answers["1"] = [Throttled(retry_after=1.5)]
    shard, _ = bench.start()
    shard.put(bench.job(1, traceparent=SAMPLED))
    await until(lambda: bool(by_name(spans)))  # the first attempt; the second is not due yet
    await shard.revoke()
    (process,) = [span for span in spans.get_finished_spans() if span.kind.name == "CONSUMER"]
    assert process.status.description == "shard_revoked"
