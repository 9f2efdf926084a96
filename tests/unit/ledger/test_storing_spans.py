"""The spans of statuses that became rows."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.contracts.codec import encode
from tocsin.contracts.statuses import EventRef, status_of
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.ledger.storing_spans import tell_spans
from tocsin.ledger.tables import STATUSES
from tocsin.testing import ManualClock

NOTIFICATION = "5a0f4f4e-0000-5000-8000-000000000001"
TRACES = ["1" * 32, "2" * 32]
SERVER = {"db.system.name": "postgresql", "server.address": "db"}


def status(offset: int, traceparent: str | None) -> ConsumerRecord:
    clock = ManualClock()
    about = EventRef(tenant="acme", event_id="e1", origin="e/0/1", traceparent=traceparent)
    value = status_of(
        StatusName.SENT, about, cause="c/0/1", at=clock.now(), lane=Lane.BULK, notification_id=NOTIFICATION
    )
    return ConsumerRecord("status.bulk", 2, offset, clock.time_ms(), b"k", encode(value))


def tell(*traceparents: str | None) -> None:
    records = [status(offset, traceparent) for offset, traceparent in enumerate(traceparents)]
    rows = [row for record in records for row in STATUSES.rows_of(record)]
    # Of a decision there may be several rows: told twice, a record has one span.
    tell_spans(records, [*rows, *rows], group="ledger.bulk", server=SERVER, seconds=0.2, copying=0.1)


def test_each_status_has_a_span_in_its_trace_and_the_batch_one_for_all(spans: InMemorySpanExporter) -> None:
    tell(*(f"00-{trace}-{'3' * 16}-01" for trace in TRACES), f"00-{'4' * 32}-{'3' * 16}-00", None)
    copy, *messages, batch = spans.get_finished_spans()
    assert (copy.name, copy.kind.name) == ("COPY ledger.statuses", "CLIENT")
    assert copy.parent is not None
    assert copy.parent.span_id == batch.context.span_id
    assert copy.attributes is not None
    assert copy.attributes["server.address"] == "db"
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == TRACES
    assert batch.attributes is not None
    assert batch.attributes["messaging.batch.message_count"] == 4
    assert [f"{message.context.trace_id:032x}" for message in messages] == TRACES
    for offset, message in enumerate(messages):
        assert (message.name, message.kind.name) == ("process status.bulk", "CONSUMER")
        assert message.links[0].context.span_id == batch.context.span_id
        assert dict(message.attributes or {}).items() >= {
            "messaging.kafka.offset": offset,
            "messaging.destination.partition.id": "2",
            "messaging.consumer.group.name": "ledger.bulk",
            "tocsin.notification_id": NOTIFICATION,
        }.items()  # fmt: skip


def test_rows_of_unsampled_traces_have_none(spans: InMemorySpanExporter) -> None:
    tell(None, f"00-{'4' * 32}-{'3' * 16}-00")
    assert spans.get_finished_spans() == ()
