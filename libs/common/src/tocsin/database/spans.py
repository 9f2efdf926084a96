"""Spans of statements, by OpenTelemetry's semantic conventions for databases: what is done and where, never a statement's text or values."""

from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.database.settings import DatabaseSettings
from tocsin.observability import OpenSpan, client_span, current_span
from tocsin.observability.tracing import NO_SPAN, Attribute, Attributes

_OPEN: Final = "tocsin_span"
"""Where a connection keeps the span of the statement under way."""


def server_of(settings: DatabaseSettings) -> Attributes:
    """What spans say of PostgreSQL: no user, no password."""
    url = settings.sqlalchemy_url
    server: dict[str, Attribute] = {
        "db.system.name": "postgresql",
        "db.namespace": url.database or "",
        "server.address": str(url.host or url.query.get("host") or "localhost"),
        "server.port": url.port or 5432,
    }
    return server


def statement_span(statement: str | None, server: Attributes) -> AbstractContextManager[object]:
    """The span of a statement such as `INSERT directory.claims`, below the span around. Nothing, where there is none."""
    if statement is None or current_span() is None:
        return NO_SPAN
    return client_span(statement, {**server, **described(statement)})


def described(statement: str) -> dict[str, Attribute]:
    """The operation and the table of `INSERT directory.claims`."""
    operation, _, table = statement.partition(" ")
    return {"db.operation.name": operation, "db.collection.name": table}


def trace_statements(engine: AsyncEngine, server: Attributes) -> None:
    """Each statement that SQLAlchemy executes within a recorded span gets one of its own. It is named by its first word: of its tables only
    PostgreSQL knows."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _begin(
        _connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        above = current_span()
        if above is not None:
            operation = statement.split(None, 1)[0].upper()
            open_span = above.child(operation, "client", {**server, "db.operation.name": operation})
            setattr(context, _OPEN, open_span)

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def _end(
        _connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        _ended(context)

    @event.listens_for(engine.sync_engine, "handle_error")
    def _fail(context: ExceptionContext) -> None:
        _ended(context.execution_context, type(context.original_exception).__name__)


def _ended(execution: Any, error: str | None = None) -> None:
    """The span lies with the execution of its statement: a connection that fails, or is the engine's first, gives nothing away."""
    opened: OpenSpan | None = getattr(execution, _OPEN, None)
    if opened is not None:
        delattr(execution, _OPEN)
        opened.end(error)
