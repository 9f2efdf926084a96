"""Every column of every table that the migrations make is classified in `docs/data.md`."""

from collections import defaultdict

import pytest
from sqlalchemy import text

from tocsin.database import DatabaseSettings, create_engine
from tocsin.dispatch_inapp.migrations import MIGRATIONS as INBOX
from tocsin.ledger.migrations import MIGRATIONS as LEDGER
from tocsin.router.migrations import MIGRATIONS as DIRECTORY
from tocsin.scheduler.migrations import MIGRATIONS as SCHEDULER
from tocsin.specifications.classification import TABLES
from tocsin.specifications.stored_data import check_columns

pytestmark = pytest.mark.postgres


async def test_every_column_of_every_schema(database_url: str) -> None:
    engine = create_engine(DatabaseSettings(url=database_url), application="test")
    for migrations in (DIRECTORY, LEDGER, SCHEDULER, INBOX):
        await migrations.upgrade(engine)
    columns: dict[str, set[str]] = defaultdict(set)
    async with engine.connect() as connection:
        # Partitions hold what their table says.
        query = (
            "SELECT c.table_schema || '.' || c.table_name, c.column_name FROM information_schema.columns c "
            "JOIN pg_class r ON r.oid = format('%I.%I', c.table_schema, c.table_name)::regclass "
            "WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema') AND NOT r.relispartition AND r.relkind IN ('r', 'p')"
        )
        for table, column in await connection.execute(text(query)):
            columns[table].add(column)
    await engine.dispose()
    assert sorted(columns) == sorted(TABLES)
    for table, names in columns.items():
        check_columns(table, names)
