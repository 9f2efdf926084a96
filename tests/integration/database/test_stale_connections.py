"""What the pool gives out, on a real PostgreSQL: nothing dead, and no question to what was used just now."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.database import DatabaseSettings, create_engine
from tocsin.database.staleness import RESTED
from tocsin.testing import ManualClock
from tocsin.testing.until import until

pytestmark = pytest.mark.postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def engine(database_url: str, clock: ManualClock) -> AsyncIterator[AsyncEngine]:
    made = create_engine(
        DatabaseSettings(url=SecretStr(database_url), pool_size=1), application="test", clock=clock
    )
    yield made
    await made.dispose()


async def server_process(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def test_a_connection_that_the_server_ended_is_replaced_unnoticed(
    engine: AsyncEngine, database_url: str
) -> None:
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
    first = await server_process(engine)
    other = create_engine(DatabaseSettings(url=SecretStr(database_url)), application="test")
    async with other.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:process)"), {"process": first})
    await other.dispose()
    await until(raw.is_closed)
    assert await server_process(engine) != first


async def test_only_a_connection_that_has_rested_is_asked(
    engine: AsyncEngine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[DBAPIConnection] = []

    def ping(connection: DBAPIConnection) -> None:
        asked.append(connection)

    first = await server_process(engine)
    monkeypatch.setattr("sqlalchemy.dialects.postgresql.asyncpg.AsyncAdapt_asyncpg_connection.ping", ping)
    clock.advance(RESTED - 1)
    await server_process(engine)
    assert not asked
    clock.advance(RESTED)
    assert await server_process(engine) == first
    assert len(asked) == 1


async def test_a_connection_that_has_rested_and_does_not_answer_is_replaced(
    engine: AsyncEngine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unanswered(_connection: DBAPIConnection) -> None:
        raise ConnectionResetError

    first = await server_process(engine)
    with monkeypatch.context() as patch:
        patch.setattr("sqlalchemy.dialects.postgresql.asyncpg.AsyncAdapt_asyncpg_connection.ping", unanswered)
        clock.advance(RESTED)
        assert await server_process(engine) != first


async def test_many_at_once_take_turns(engine: AsyncEngine) -> None:
    assert len(set(await asyncio.gather(*(server_process(engine) for _ in range(5))))) == 1
