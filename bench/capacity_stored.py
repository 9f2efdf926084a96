"""How much lies where: the broker's files by topic, PostgreSQL's tables and their indexes, the position of its log."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import asyncpg
import msgspec

from environment import Environment

TABLES: Final = ("ledger.statuses", "directory.claims", "scheduler.timers")
_SIZES: Final = """
SELECT sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint FROM pg_class c
WHERE c.relkind = 'r' AND coalesce(pg_partition_root(c.oid), c.oid) = $1::regclass
"""
_OUTBOX: Final = """
INSERT INTO directory.outbox (kind, tenant, key, turn)
SELECT 'recipient_version', 'bench', ARRAY['user-' || number], 0 FROM generate_series(1, $1::int) AS number
"""


class Table(msgspec.Struct, frozen=True):
    """Rows, and bytes of the rows and of their indexes."""

    rows: int
    row_bytes: int
    index_bytes: int

    @property
    def bytes(self) -> int:
        """With indexes."""
        return self.row_bytes + self.index_bytes

    def minus(self, before: "Table") -> "Table":
        """What has come since."""
        return Table(
            self.rows - before.rows,
            self.row_bytes - before.row_bytes,
            self.index_bytes - before.index_bytes,
        )


class Snapshot(msgspec.Struct, frozen=True):
    """Of one moment. `topics` are bytes by topic, `log` counts the bytes of the write-ahead log."""

    topics: dict[str, int]
    tables: dict[str, Table]
    log: int


class Stores:
    """Looks at the broker's folder and the database. Use it as a context."""

    def __init__(self, environment: Environment) -> None:
        self._data = environment.folder / "kafka" / "data"
        self._url = environment.database
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._url)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connection.close()

    async def look(self) -> Snapshot:
        """As it is now."""
        return Snapshot(
            topics=topic_bytes(self._data),
            tables={name: await self.table(name) for name in TABLES},
            log=await self.log(),
        )

    async def table(self, name: str) -> Table:
        """One table with its partitions."""
        rows = await self._connection.fetchval(f"SELECT count(*) FROM {name}")  # a name of ours
        return Table(rows, *await self._connection.fetchrow(_SIZES, name))

    async def log(self) -> int:
        """Bytes of the write-ahead log since the database was made."""
        return int(await self._connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))

    async def set(self, name: str, value: str) -> None:
        """A setting of the server, for as long as it lives."""
        await self._connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await self._connection.execute("SELECT pg_reload_conf()")

    async def checkpoint(self) -> None:
        """Write everything down, so that the next change of a page logs all of it."""
        await self._connection.execute("CHECKPOINT")

    async def outbox_row(self, count: int) -> float:
        """Bytes of a row of the outbox with its indexes. The rows are taken back, so nothing is published."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            before = (await self.table("directory.outbox")).bytes
            await self._connection.execute(_OUTBOX, count)
            size = (await self.table("directory.outbox")).bytes - before
        finally:
            await transaction.rollback()
        return size / count


def topic_bytes(data: Path) -> dict[str, int]:
    """Bytes of the log segments of each topic, its partitions together."""
    sizes: Counter[str] = Counter()
    for segment in data.glob("*/*.log"):
        topic, _, _ = segment.parent.name.rpartition("-")
        sizes[topic] += segment.stat().st_size
    return dict(sizes)


def grown(before: Mapping[str, int], after: Mapping[str, int], topics: Sequence[str]) -> dict[str, int]:
    """By how many bytes each of these topics has grown; those that have not are left out."""
    more = {topic: after.get(topic, 0) - before.get(topic, 0) for topic in topics}
    return {topic: size for topic, size in more.items() if size}
