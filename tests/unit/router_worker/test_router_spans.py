"""The spans of a sampled event on its way through the router, and the one trace all of it belongs to."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.contracts.codec import encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import Batch
from tocsin.observability import configure_tracing, shutdown_tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    configure_tracing("router", None, 0.0, exporter=exporter)
    yield exporter
    shutdown_tracing()


def traces(written) -> set[str]:
    records = [*written.statuses(), *written.intents()]
    records += [job for channel in Channel for job in written.jobs(channel)]
    return {record.traceparent[3:35] for record in records}


async def test_a_span_for_each_stage_of_an_event_decided_at_once(worker, spans):
    written = await worker.route(
        worker.event(traceparent=SAMPLED), worker.event(id="e2", traceparent=UNSAMPLED), worker.event(id="e3")
    )
    told = Counter(span.name for span in spans.get_finished_spans())
    assert told == {"read": 1, "claim": 1, "look_up": 1, "decide": 1, "render": 3}
    decide = next(span for span in spans.get_finished_spans() if span.name == "decide")
    (job, *_) = written.jobs(Channel.EMAIL)
    assert job.traceparent == f"00-{TRACE}-{decide.context.span_id:016x}-01"


async def test_a_fan_out_keeps_one_trace_from_event_to_job(worker, spans):
    written = await worker.route(worker.request("ann", "bob", partition=0))
    shutdown_tracing()
    assert len(traces(written)) == 1  # begun by the fan-out, and the same for all
    assert spans.get_finished_spans() == ()


async def test_a_sampled_fan_out_is_the_parent_of_its_decisions(worker, spans):
    request = worker.event(id="e7", traceparent=SAMPLED, partition=0, key=b"x")
    written = await worker.route(request)
    written = await worker.route(*worker.as_read(written.of(worker.topics.intents(worker.lane))))
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert by_name["decide"].parent.span_id == by_name["fan_out"].context.span_id
    assert by_name["fan_out"].attributes == {"lane": "transactional", "recipients": 1}
    assert traces(written) == {TRACE}


async def test_a_fan_out_lets_the_loop_go_and_its_span_ends_with_a_batch_that_is_cancelled(
    worker, spans, monkeypatch
):
    monkeypatch.setattr("tocsin.runtime.loop_slice.SLICE_SECONDS", -1.0)
    body = {"workflow": "shipped", "recipients": [f"r{number}" for number in range(1_000)], "data": {}}
    request = worker.event(
        type=NOTIFICATION_REQUESTED, subject=None, key=b"any", data=msgspec.Raw(encode(body)), traceparent=SAMPLED
    )  # fmt: skip
    batch = Batch(records=[request], partition_count=4)
    processing = asyncio.create_task(worker.router.process(batch))
    for _ in range(30):
        await asyncio.sleep(0)
    assert not processing.done()
    processing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await processing
    assert [span.name for span in spans.get_finished_spans()][-1] == "fan_out"


async def test_every_status_of_an_event_as_a_whole_has_its_trace(worker):
    written = await worker.route(
        worker.event(traceparent=UNSAMPLED),
        worker.event(traceparent=UNSAMPLED),
        worker.event(id="e2", type="com.shop.unheard", traceparent=UNSAMPLED),
        worker.event(id="e3", data=msgspec.Raw(b'{"name":1}'), traceparent=UNSAMPLED),
        worker.event(id="e4", type=NOTIFICATION_REQUESTED, traceparent=UNSAMPLED),
    )
    assert {"duplicate", "event_unmatched", "event_refused"} < set(written.names())
    assert traces(written) == {TRACE}
