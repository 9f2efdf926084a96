"""The migrations make what `tables` describes, from nothing, twice without harm."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.router.migrations import MIGRATIONS
from tocsin.router.tables import CLAIM_PARTITIONS, SCHEMA, metadata

from .conftest import Directory


def _ours(name: str | None, kind: str, _parents: Any) -> bool:
    if kind == "schema":
        return name == SCHEMA
    return kind != "table" or (name != "schema_version" and not str(name).startswith("claims_"))


def _differences(connection: Connection) -> list[Any]:
    options = {
        "include_schemas": True,
        "include_name": _ours,
        "compare_type": True,
        "compare_server_default": True,
    }
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


async def test_the_migrations_make_the_tables(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_nothing_is_left_to_apply(engine: AsyncEngine) -> None:
    assert await MIGRATIONS.pending(engine) == []
    assert await MIGRATIONS.upgrade(engine) == []
    await MIGRATIONS.require(engine)


async def test_claims_are_spread_over_their_partitions(directory: Directory) -> None:
    await directory.rows(
        "INSERT INTO directory.claims (key, record, data_hash) SELECT decode(md5(n::text), 'hex'), 'e/0/1', n FROM generate_series(1, 1000) n"
    )
    used = await directory.rows("SELECT DISTINCT tableoid FROM directory.claims")
    assert len(used) == CLAIM_PARTITIONS
