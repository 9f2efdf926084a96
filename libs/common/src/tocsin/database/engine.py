"""The connections of one process to PostgreSQL: SQLAlchemy's engine over asyncpg, as a component of the service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tocsin.database.migrations import Migrations
from tocsin.database.reach import AWAY, reach
from tocsin.database.settings import DatabaseSettings
from tocsin.database.spans import server_of, statement_span, trace_statements
from tocsin.database.staleness import replace_stale
from tocsin.observability import error_text, metrics
from tocsin.runtime import Check, Clock, SystemClock, every, retry_until_available

PROBE_PERIOD = 5.0
"""Seconds between two looks at whether PostgreSQL still answers."""


def create_engine(settings: DatabaseSettings, *, application: str, clock: Clock | None = None) -> AsyncEngine:
    """An engine whose sessions carry `application` as their name and end statements at the settings' timeout.

    JSON columns hold what msgspec reads and writes. Nothing connects before it is used, and a connection that died in
    the pool is replaced unnoticed.
    """
    engine = create_async_engine(
        settings.sqlalchemy_url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout,
        hide_parameters=True,  # errors print them otherwise, and they hold addresses
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args={
            **settings.connect_arguments,
            "server_settings": {
                "application_name": f"tocsin {application}",
                "statement_timeout": str(round(settings.statement_timeout * 1000)),
                "timezone": "UTC",  # times that PostgreSQL writes into JSON are in it
                "idle_in_transaction_session_timeout": "60000",
                # That timeout does not count while PostgreSQL waits for the rest of a COPY. A machine that is gone holds its locks for
                # these 25 s then, not for the two hours of Linux.
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
                "jit": "off",  # our statements are short; compiling them costs more than it saves
            },
        },
    )
    replace_stale(engine.pool, clock=clock or SystemClock())
    trace_statements(engine, server_of(settings))
    return engine


def waiters(pool: Any) -> int:
    """How many wait for a connection of this pool, of which SQLAlchemy says nothing. Asked by `/metrics` in a thread: makes nothing, and
    reads one number."""
    queue = vars(pool._pool).get("_queue")  # made when it is first used
    return 0 if queue is None else len(queue._getters)


class Database:
    """Component: usable after `open`, which waits for PostgreSQL and refuses to go on without its migrations.

    `engine` for statements, `driver()` for asyncpg itself where COPY or arrays pay.
    """

    name: Final = "database"

    def __init__(
        self, *, settings: DatabaseSettings, service: str, check: Check, migrations: Migrations | None = None
    ) -> None:
        self._settings = settings
        self.server: Final = server_of(settings)
        """What spans of statements say of PostgreSQL."""
        self._check = check
        self._migrations = migrations
        self.engine: Final[AsyncEngine] = create_engine(settings, application=service)
        pool: Any = self.engine.pool
        metrics.database_connections.labels(service).set_function(pool.checkedout)
        metrics.database_connections_limit.labels(service).set(settings.pool_size)
        metrics.database_waiters.labels(service).set_function(partial(waiters, pool))

    async def open(self) -> None:
        """Wait for PostgreSQL, then look at the migrations. Raises `OperatorError` for a refused login or a missing migration."""
        await retry_until_available(self._settings.place, self._probe, retry_on=AWAY, check=self._check)
        if self._migrations is not None:
            await self._migrations.require(self.engine)
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: keep the readiness check true to whether PostgreSQL answers."""
        await every(PROBE_PERIOD, self._look, stop=stop)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def driver(self, statement: str | None = None) -> AsyncIterator[Any]:
        """An `asyncpg.Connection` from the pool, for `copy_records_to_table` and the like; begin its transactions yourself.

        `statement` says what is done in the block, as `INSERT directory.claims`: it is the name of its span, if there is one around. Waiting for a
        free connection is part of it.
        """
        with statement_span(statement, self.server):
            async with self.engine.connect() as connection:
                raw = await connection.get_raw_connection()
                yield raw.driver_connection

    async def _look(self) -> None:
        try:
            await self._probe()
        except AWAY as error:
            self._check.set_not_ready(f"{self._settings.place} does not answer: {error_text(error)}")
        else:
            self._check.set_ready()

    async def _probe(self) -> None:
        await reach(self.engine, self._settings)
