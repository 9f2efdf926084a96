"""Nothing that is logged, answered, counted or traced of a database's error repeats what a caller sent, whoever raised it."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.log_lines import lines_of

from tocsin.database import DatabaseSettings, create_engine
from tocsin.observability import (
    configure_tracing,
    error_text,
    get_logger,
    shutdown_tracing,
)
from tocsin.runtime import Health
from tocsin.runtime.errors import one_line
from tocsin.web import service_app

pytestmark = pytest.mark.postgres

SECRET = "s3cr3t-of-a-tenant"
TABLES = """
CREATE TABLE parent (id text PRIMARY KEY);
CREATE TABLE child (
    id text PRIMARY KEY, parent text REFERENCES parent, size int, data jsonb, short varchar(5),
    CONSTRAINT small CHECK (size < 100), note text NOT NULL DEFAULT ''
);
INSERT INTO child (id) VALUES ('s3cr3t-of-a-tenant');
"""


async def driver(db: AsyncConnection) -> Any:
    return (await db.get_raw_connection()).driver_connection


async def copied(db: AsyncConnection, *row: Any) -> None:
    await (await driver(db)).copy_records_to_table("child", records=[row], columns=["id", "size"])


def run(statement: str, **values: Any) -> Callable[[AsyncConnection], Awaitable[Any]]:
    return lambda db: db.execute(text(statement), values)


FAILURES: dict[str, tuple[Callable[[AsyncConnection], Awaitable[Any]], str]] = {
    "a key that stands there": (
        run("INSERT INTO child (id) VALUES (:v)", v=SECRET),
        "UniqueViolationError: SQLSTATE 23505, schema public, table child, constraint child_pkey",
    ),
    "a key that does not": (
        run("INSERT INTO child (id, parent) VALUES ('a', :v)", v=SECRET),
        "ForeignKeyViolationError: SQLSTATE 23503, schema public, table child, constraint child_parent_fkey",
    ),
    "a row that breaks a check": (
        run("INSERT INTO child (id, size) VALUES (:v, 1000)", v=SECRET),
        "CheckViolationError: SQLSTATE 23514, schema public, table child, constraint small",
    ),
    "a row without what it needs": (
        run("INSERT INTO child (id, note) VALUES (:v, NULL)", v=SECRET),
        "NotNullViolationError: SQLSTATE 23502, schema public, table child, column note",
    ),
    "an argument of another type": (
        run("INSERT INTO child (id, size) VALUES ('a', :v)", v=SECRET),
        "DataError: SQLSTATE 22000, argument $1",
    ),
    "an argument that is no text": (
        run("INSERT INTO child (id) VALUES (:v)", v=[SECRET]),
        "DataError: SQLSTATE 22000, argument $1",
    ),
    "a text that is no number": (
        run("SELECT CAST(CAST(:v AS text) AS int)", v=SECRET),
        "InvalidTextRepresentationError: SQLSTATE 22P02",
    ),
    "a text that is no JSON": (
        run("SELECT CAST(CAST(:v AS text) AS jsonb)", v=f'{{"a": {SECRET}'),
        "InvalidTextRepresentationError: SQLSTATE 22P02",
    ),
    "a text that is too long": (
        run("INSERT INTO child (id, short) VALUES ('a', :v)", v=SECRET),
        "StringDataRightTruncationError: SQLSTATE 22001",
    ),
    "a function that complains": (
        run(f"DO $$ BEGIN RAISE EXCEPTION '{SECRET}' USING DETAIL = '{SECRET}', HINT = '{SECRET}'; END $$"),
        "RaiseError: SQLSTATE P0001",
    ),
    "half a surrogate pair": (
        run("INSERT INTO child (id) VALUES (:v)", v=f"{SECRET}\ud800"),
        "DataError: SQLSTATE 22000, argument $1",
    ),
    "a zero byte": (
        run("INSERT INTO child (id) VALUES (:v)", v=f"{SECRET}\0"),
        "CharacterNotInRepertoireError: SQLSTATE 22021",
    ),
    "rows of another type": (
        lambda db: copied(db, "a", SECRET),
        "TypeError: 'str' object cannot be interpreted as an integer",
    ),
    "a table that is not there": (
        run("SELECT * FROM nowhere"),
        'UndefinedTableError: SQLSTATE 42P01: relation "nowhere" does not exist',
    ),
}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(DatabaseSettings(url=database_url), application="test")
    async with made.connect() as db:
        await (await driver(db)).execute(TABLES)
    yield made
    await made.dispose()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Where the lines go that a service would write."""
    with lines_of("things") as out:
        yield out


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    configure_tracing("things", None, 1.0, exporter=exporter)
    yield exporter
    shutdown_tracing()


async def failure(engine: AsyncEngine, name: str) -> Exception:
    """What the database raises."""
    work, _ = FAILURES[name]
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one it is, is asserted by its text
        async with engine.begin() as db:
            await work(db)
    return raised.value


@pytest.mark.parametrize("name", FAILURES)
async def test_an_error_is_told_by_its_class_and_place(engine: AsyncEngine, name: str) -> None:
    _, told = FAILURES[name]
    assert error_text(await failure(engine, name)) == told


@pytest.mark.parametrize("name", FAILURES)
async def test_finding_13_no_log_answer_metric_or_span_repeats_a_value(
    engine: AsyncEngine, log: io.StringIO, spans: InMemorySpanExporter, name: str
) -> None:
    work, _ = FAILURES[name]
    app: FastAPI = service_app(name="things", health=Health(service="things"))

    @app.get("/v1/fail")
    async def fail() -> None:
        async with engine.begin() as db:
            await work(db)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        answer = await client.get("/v1/fail")
    assert answer.status_code == 500

    error = await failure(engine, name)
    ours = get_logger("tocsin.test")
    ours.error("failed", component="part", reason=one_line(error), exc_info=error)
    ours.warning("told", error=error, nested=[{"error": error}])
    ours.error("failed together", exc_info=ExceptionGroup("of a task group", [error, ValueError("other")]))
    logging.getLogger("asyncio").warning("a library says: %s", error)
    logging.getLogger("asyncio").error("a library fails", exc_info=error)

    lines = log.getvalue()
    assert lines.count("\n") == 6
    assert all(json.loads(line) for line in lines.splitlines())
    recorded = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "http" in recorded
    for where, shown in (
        ("the logs", lines),
        ("the answer", answer.text),
        ("the metrics", generate_latest().decode()),
        ("the spans", recorded),
    ):
        assert SECRET not in shown, f"{where}: {shown}"
        assert "\ud800" not in shown, where
        assert "ud800" not in shown, where


async def test_what_stands_around_the_error_is_still_shown(engine: AsyncEngine, log: io.StringIO) -> None:
    get_logger("tocsin.test").error("failed", exc_info=await failure(engine, "an argument of another type"))
    shown = json.loads(log.getvalue())["exception"]
    assert "Traceback (most recent call last):" in shown
    assert "in failure\n    await work(db)" in shown
    assert "direct cause of the following exception" in shown
    assert shown.endswith("\nDataError: SQLSTATE 22000, argument $1")


async def test_a_task_that_nobody_looked_at_is_logged_without_values(
    engine: AsyncEngine, log: io.StringIO
) -> None:
    from tocsin.runtime.service import _log_what_nobody_looked_at  # noqa: PLC0415 - what every service installs

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_what_nobody_looked_at)
    try:
        error = await failure(engine, "an argument of another type")
        loop.call_exception_handler(
            {
                "message": "Task exception was never retrieved",
                "exception": error,
                "future": loop.create_future(),
            }
        )
    finally:
        loop.set_exception_handler(None)
    assert "Task exception was never retrieved" in log.getvalue()
    assert SECRET not in log.getvalue()
