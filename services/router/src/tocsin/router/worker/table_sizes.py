"""How many rows the router's growing tables have, as PostgreSQL estimates them: counting claims one by one would take seconds."""

import asyncio
from typing import Final

from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.observability import metrics
from tocsin.runtime import every

TABLES: Final = ("claims", "throttles", "cancellations", "suppressions")
LOOK_EVERY: Final = 60.0
# Claims are partitioned: the rows lie in the partitions, and are those of the table above them.
_ROWS: Final = """
SELECT root.relname, sum(s.n_live_tup)::bigint FROM pg_stat_user_tables s
JOIN pg_class root ON root.oid = coalesce(pg_partition_root(s.relid), s.relid)
WHERE s.schemaname = 'directory' AND root.relname = ANY($1) GROUP BY root.relname
"""


class TableSizes:
    """A component."""

    name: Final = "table sizes"

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """Nothing to do: `run` looks at once."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a minute, until stopped."""
        await self.look()
        await every(LOOK_EVERY, self.look, stop=stop)

    async def close(self) -> None:
        """Nothing to do: no connection is held."""

    async def look(self) -> None:
        """Show what PostgreSQL says now. While it is away, what it said last stays."""
        try:
            async with self._database.driver() as connection:
                rows = await connection.fetch(_ROWS, list(TABLES))
        except AWAY:
            return  # the database has a readiness check of its own
        for table, estimate in rows:
            metrics.table_rows.labels(table).set(estimate)
