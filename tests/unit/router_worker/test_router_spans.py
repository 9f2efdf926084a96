"""The spans of a sampled event on its way through the router, and the one trace all of it belongs to."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.contracts.codec import encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import Batch
from tocsin.observability import configure_tracing, shutdown_tracing
from tocsin.router.worker.spans import BatchSpans

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def traces(written) -> set[str]:
    records = [*written.statuses(), *written.intents()]
    records += [
        job for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH) for job in written.jobs(channel)
    ]
    return {record.traceparent[3:35] for record in records}


def finished(spans: InMemorySpanExporter) -> list[Any]:
    """Any: each of them here has a parent and attributes."""
    return list(spans.get_finished_spans())


def of_trace(spans: InMemorySpanExporter) -> list[Any]:
    return [span for span in finished(spans) if f"{span.context.trace_id:032x}" == TRACE]


def named(spans: InMemorySpanExporter, name: str) -> Any:
    (span,) = [span for span in of_trace(spans) if span.name == name]
    return span


async def route(worker, *records):
    """What the records come to, committed."""
    batch = Batch(records=list(records), partition_count=4)
    part = await worker.router.process(batch)
    for send in part.spans:
        send.end()
    return part


async def test_a_span_for_the_event_and_one_for_each_record_it_comes_to(worker, spans):
    written = await worker.route(
        worker.event(traceparent=SAMPLED), worker.event(id="e2", traceparent=UNSAMPLED), worker.event(id="e3")
    )
    (job, *_) = written.jobs(Channel.EMAIL)
    process = named(spans, f"process {worker.topics.events(worker.lane)}")
    assert job.traceparent[:36] == SAMPLED[:36]
    assert process.kind.name == "CONSUMER"
    assert f"{process.parent.span_id:016x}" == SAMPLED[36:52]
    assert process.attributes["tocsin.notification_id"] == job.notification_id
    assert process.attributes["messaging.consumer.group.name"] == worker.topics.group("router", worker.lane)
    (batch,) = [span for span in finished(spans) if span not in of_trace(spans)]
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert [f"{link.context.span_id:016x}" for link in batch.links] == [SAMPLED[36:52]]
    assert [link.context.span_id for link in process.links] == [batch.context.span_id]


async def test_what_is_sent_has_a_span_until_its_transaction_ends(worker, spans):
    part = await route(worker, worker.event(traceparent=SAMPLED))
    process = named(spans, f"process {worker.topics.events(worker.lane)}")
    sends = [span for span in of_trace(spans) if span.kind.name == "PRODUCER"]
    topics = worker.topics
    assert Counter(span.name for span in sends) == Counter(
        [
            *(
                f"send {topics.jobs(channel, worker.lane)}"
                for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
            ),
            f"send {topics.status(worker.lane)}",
        ]
    )
    assert {span.parent.span_id for span in sends} == {process.context.span_id}
    assert len({span.attributes["tocsin.notification_id"] for span in sends}) == 1
    told = {msgspec.json.decode(record.value)["traceparent"][36:52] for record in part.outgoing}
    assert told == {f"{span.context.span_id:016x}" for span in sends}


async def test_an_unsampled_event_has_neither_span_nor_another_context(worker, spans):
    part = await route(worker, worker.event(traceparent=UNSAMPLED))
    assert part.spans == spans.get_finished_spans() == ()
    assert {msgspec.json.decode(record.value)["traceparent"] for record in part.outgoing} == {UNSAMPLED}


async def test_of_the_records_of_a_producer_who_samples_everything_so_many_are_recorded(worker, monkeypatch):
    monkeypatch.setattr("tocsin.observability.tracing.monotonic", lambda: 100.0)
    exporter = InMemorySpanExporter()
    configure_tracing("router", None, 0.0, each_second=2, exporter=exporter)
    callers = [f"00-{number:032x}-{1:016x}-01" for number in range(1, 6)]
    part = await route(
        worker, *(worker.event(id=f"e{n}", traceparent=each) for n, each in enumerate(callers))
    )
    shutdown_tracing()
    events = f"process {worker.topics.events(worker.lane)}"
    processed = [span for span in finished(exporter) if span.name == events and span.parent is not None]
    assert [span.context.trace_id for span in processed] == [1, 2]
    carried = {msgspec.json.decode(record.value)["traceparent"] for record in part.outgoing}
    assert {each[3:35] for each in carried if each.endswith("-01")} == {f"{number:032x}" for number in (1, 2)}
    assert {each for each in carried if each.endswith("-00")} == {f"{each[:-2]}00" for each in callers[2:]}


async def test_a_trace_that_begins_here_is_sampled_by_the_ratio(worker):
    exporter = InMemorySpanExporter()
    configure_tracing("router", None, 1.0, exporter=exporter)
    await route(worker, worker.event())
    shutdown_tracing()
    (process,) = [span for span in finished(exporter) if span.name.startswith("process ") and "tocsin.notification_id" in span.attributes]  # fmt: skip
    assert process.parent is None


async def test_a_fan_out_keeps_one_trace_from_event_to_job(worker, spans):
    written = await worker.route(worker.request("ann", "bob", partition=0))
    assert len(traces(written)) == 1  # begun by the fan-out, and the same for all
    assert spans.get_finished_spans() == ()


async def test_a_sampled_fan_out_is_one_send_and_the_parent_of_its_decisions(worker, spans):
    request = worker.event(id="e7", traceparent=SAMPLED, partition=0, key=b"x")
    intents = worker.topics.intents(worker.lane)
    part = await route(worker, request)
    send = named(spans, f"send {intents}")
    assert send.attributes["messaging.batch.message_count"] == 1
    assert send.parent.span_id == named(spans, f"process {worker.topics.events(worker.lane)}").context.span_id
    decided = [record for record in part.outgoing if record.topic == intents]
    await route(worker, *worker.as_read(decided))
    assert named(spans, f"process {intents}").parent.span_id == send.context.span_id


async def test_a_batch_that_is_cancelled_leaves_no_span_of_its_messages(worker, spans, monkeypatch):
    monkeypatch.setattr("tocsin.runtime.loop_slice.SLICE_SECONDS", -1.0)
    body = {"workflow": "shipped", "recipients": [f"r{number}" for number in range(1_000)], "data": {}}
    request = worker.event(
        type=NOTIFICATION_REQUESTED, subject=None, key=b"any", data=msgspec.Raw(encode(body)), traceparent=SAMPLED
    )  # fmt: skip
    processing = asyncio.create_task(worker.router.process(Batch(records=[request], partition_count=4)))
    for _ in range(30):
        await asyncio.sleep(0)
    assert not processing.done()
    processing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await processing
    assert of_trace(spans) == []  # the next owner does all of it
    (batch,) = finished(spans)
    assert batch.attributes["error.type"] == "CancelledError"


async def test_an_event_that_is_refused_fails_with_its_reason(worker, spans):
    await route(worker, worker.event(id="e4", type=NOTIFICATION_REQUESTED, traceparent=SAMPLED))
    process = named(spans, f"process {worker.topics.events(worker.lane)}")
    assert process.status.description == process.attributes["error.type"] == "field_unknown"


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


async def test_without_tracing_no_record_is_looked_at(worker, monkeypatch):
    asked: list[str] = []
    for name in ("join", "begin", "end"):
        monkeypatch.setattr(BatchSpans, name, lambda *_, name=name: asked.append(name))
    await worker.route(worker.event(traceparent=SAMPLED), worker.event(id="e2", type="com.shop.unheard"))
    assert asked == []
