"""What spans of statements tell: the server and what is done, never a user, a password or a value."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from tocsin.database import DatabaseSettings
from tocsin.database.spans import server_of, statement_span
from tocsin.observability import span

SERVER = server_of(
    DatabaseSettings(url=SecretStr("postgresql://router:s3cret@db.example:6432/tocsin?sslmode=require"))
)


def test_a_server_is_told_without_whoever_logs_in() -> None:
    assert dict(SERVER) == {
        "db.system.name": "postgresql",
        "db.namespace": "tocsin",
        "server.address": "db.example",
        "server.port": 6432,
    }


def test_a_statement_has_a_span_below_the_one_around_it(spans: InMemorySpanExporter) -> None:
    with statement_span("INSERT directory.claims", SERVER):
        pass  # nothing around it is recorded
    with span("process", f"00-{'1' * 32}-{'2' * 16}-01"):
        with statement_span(None, SERVER):
            pass  # nobody said what is done
        with statement_span("INSERT directory.claims", SERVER):
            pass
    statement, process = spans.get_finished_spans()
    assert (statement.name, statement.kind.name) == ("INSERT directory.claims", "CLIENT")
    assert statement.parent is not None
    assert statement.parent.span_id == process.context.span_id
    told = {"db.operation.name": "INSERT", "db.collection.name": "directory.claims"}
    assert dict(statement.attributes or {}) == dict(SERVER) | told
