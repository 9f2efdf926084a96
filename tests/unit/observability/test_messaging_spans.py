"""The spans of messages: their names, kinds, attributes and links, as OpenTelemetry's conventions have them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.schemas import Schemas

from tocsin.kafka import RecordMetadata
from tocsin.observability import (
    OpenSpan,
    client_span,
    current_span,
    current_traceparent,
    span,
)
from tocsin.observability.messaging import (
    MOST_LINKS,
    batch_span,
    begin_processing,
    begin_sending,
    end_with,
    note_count,
    note_stored,
    sending,
)
from tocsin.observability.tracing import CONVENTIONS

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
AT = RecordMetadata("events.bulk", 3, 42, 0)
SEND = {"messaging.system": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send"}
PROCESS = {
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.consumer.group.name": "router.bulk",
}
PLACE = {"messaging.destination.partition.id": "3", "messaging.kafka.offset": 42}
TOPIC = {"messaging.destination.name": "events.bulk"}
DATABASE = {"db.system.name": "postgresql", "server.address": "db"}


def ended(opened: OpenSpan | None) -> None:
    assert opened is not None
    opened.end()


def one_record() -> None:
    send = begin_sending("events.bulk", SAMPLED)
    assert send is not None
    note_stored(send, AT)
    send.end()


def many_records() -> None:
    send = begin_sending("events.bulk", SAMPLED)
    assert send is not None
    note_count(send, 7)
    send.end()


def below_another() -> None:
    process = begin_processing(AT, SAMPLED, group="router.bulk", notification_id="n1")
    assert process is not None
    sending(process, "jobs.sms.bulk").end()


def statement() -> None:
    with span("attempt", SAMPLED), client_span("INSERT directory.claims", DATABASE):
        pass


def whole_batch() -> None:
    with batch_span([AT, AT], group="router.bulk") as shared:
        shared.join([SAMPLED])


def mixed_batch() -> None:
    with batch_span([AT, RecordMetadata("intents.bulk", 0, 0, 0)], group="router.bulk") as shared:
        shared.join([SAMPLED])


TABLE: list[tuple[Callable[[], None], str, str, dict[str, Any]]] = [
    (one_record, "send events.bulk", "PRODUCER", SEND | TOPIC | PLACE),
    (many_records, "send events.bulk", "PRODUCER", SEND | TOPIC | {"messaging.batch.message_count": 7}),
    (
        lambda: ended(begin_processing(AT, SAMPLED, group="router.bulk", notification_id="n1")),
        "process events.bulk",
        "CONSUMER",
        PROCESS | TOPIC | PLACE | {"tocsin.notification_id": "n1"},
    ),
    (
        below_another,
        "send jobs.sms.bulk",
        "PRODUCER",
        SEND | {"messaging.destination.name": "jobs.sms.bulk", "tocsin.notification_id": "n1"},
    ),
    (whole_batch, "process events.bulk", "CONSUMER", PROCESS | TOPIC | {"messaging.batch.message_count": 2}),
    (mixed_batch, "process", "CONSUMER", PROCESS | {"messaging.batch.message_count": 2}),
    (statement, "INSERT directory.claims", "CLIENT", DATABASE),
]


@pytest.mark.parametrize(("make", "name", "kind", "attributes"), TABLE)
def test_a_span_is_named_as_the_conventions_say(
    make: Callable[[], None], name: str, kind: str, attributes: dict[str, Any], spans: InMemorySpanExporter
) -> None:
    make()
    made = spans.get_finished_spans()[0]
    assert (made.name, made.kind.name, dict(made.attributes or {})) == (name, kind, attributes)


def test_the_conventions_of_that_version_know_every_name(spans: InMemorySpanExporter) -> None:
    known = {value for value in vars(messaging_attributes).values() if isinstance(value, str)}
    for make, *_ in TABLE:
        make()
    told = {name for made in spans.get_finished_spans() for name in made.attributes or {}}
    assert {name for name in told if name.startswith("messaging.")} <= known
    assert Schemas.V1_44_0.value == CONVENTIONS
    scope = spans.get_finished_spans()[0].instrumentation_scope
    assert scope is not None
    assert (scope.schema_url, scope.version) == (CONVENTIONS, "1.2.3")


def test_the_resource_says_which_release_of_which_service(spans: InMemorySpanExporter) -> None:
    one_record()
    about = spans.get_finished_spans()[0].resource.attributes
    assert {name: about[f"service.{name}"] for name in ("namespace", "name", "version")} == {
        "namespace": "tocsin",
        "name": "router",
        "version": "1.2.3",
    }


def test_a_record_carries_the_context_of_its_own_send(spans: InMemorySpanExporter) -> None:
    process = begin_processing(AT, SAMPLED, group="g")
    assert process is not None
    first, second = sending(process, "a"), sending(process, "b")
    assert first.traceparent != second.traceparent
    assert first.traceparent[:36] == second.traceparent[:36] == SAMPLED[:36]
    reader = begin_processing(AT, first.traceparent, group="h")
    for opened in (reader, first, second, process):
        ended(opened)
    read, *_ = spans.get_finished_spans()
    assert read.parent is not None
    assert f"{read.parent.span_id:016x}" == first.traceparent[36:52]


def test_a_batch_links_to_its_messages_and_they_to_it(spans: InMemorySpanExporter) -> None:
    with batch_span([AT] * 3, group="g") as shared:
        assert current_span() is None
        shared.join([SAMPLED])
        assert shared.opened is not None
        assert current_traceparent() == shared.opened.traceparent
        with client_span("INSERT directory.claims", DATABASE):
            pass
        shared.join([SAMPLED])  # the work is done again: no second link
        ended(begin_processing(AT, SAMPLED, group="g", ago=shared.seconds, batch=shared.opened))
    assert current_span() is None
    statement_, message, batch = spans.get_finished_spans()
    assert trace_of(message) == TRACE
    assert trace_of(batch) == trace_of(statement_) != TRACE
    assert batch.parent is None
    assert linked(batch) == [SAMPLED[36:52]]
    assert linked(message) == [f"{batch.context.span_id:016x}"]
    assert abs((message.start_time or 0) - (batch.start_time or 0)) < 50_000_000


def test_a_batch_without_a_recorded_message_has_no_span(spans: InMemorySpanExporter) -> None:
    with batch_span([AT], group="g") as shared:
        shared.join([])
        with client_span("INSERT directory.claims", DATABASE) as call:
            assert call.opened is None
    assert begin_processing(AT, UNSAMPLED, group="g") is None
    assert begin_sending("t", UNSAMPLED) is None
    assert begin_sending("t", None) is None
    assert spans.get_finished_spans() == ()


def test_a_batch_keeps_as_many_links_as_the_sdk(spans: InMemorySpanExporter) -> None:
    with batch_span([AT], group="g") as shared:
        shared.join([f"00-{TRACE}-{number:016x}-01" for number in range(1, 500)])
    (batch,) = spans.get_finished_spans()
    assert len(batch.links) == MOST_LINKS
    assert batch.dropped_links == 0


def test_a_batch_that_fails_says_how(spans: InMemorySpanExporter) -> None:
    def fail() -> None:
        with batch_span([AT], group="g") as shared:
            shared.join([SAMPLED])
            raise ValueError("ann@example.com")

    with pytest.raises(ValueError, match="ann"):
        fail()
    (batch,) = spans.get_finished_spans()
    assert batch.status.description == "ValueError"
    assert (batch.attributes or {})["error.type"] == "ValueError"
    assert batch.events == ()


async def test_a_send_ends_with_its_transaction(spans: InMemorySpanExporter) -> None:
    futures: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    committed, refused, given_up = futures
    committed.set_result(None)
    refused.set_exception(OSError("broker.example"))
    given_up.cancel()
    for future in futures:
        send = begin_sending("t", SAMPLED)
        assert send is not None
        end_with([send], future)
    assert [each.status.description for each in spans.get_finished_spans()] == [
        None,
        "not_committed",
        "not_committed",
    ]


def trace_of(made: ReadableSpan) -> str:
    return f"{made.context.trace_id:032x}"


def linked(made: ReadableSpan) -> list[str]:
    return [f"{link.context.span_id:016x}" for link in made.links]
