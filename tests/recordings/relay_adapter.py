"""The relay, given recorded rows of the directory's database: what it would publish of them. Only this file knows its functions."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from tests.recordings.recording import written

from tocsin.contracts.topics import Topics
from tocsin.router.entities import EntityRef, current_records


class _Database:
    """Answers each query with the recorded rows of the table it asks; which rows fit is PostgreSQL's business."""

    def __init__(self, tables: Mapping[str, list[dict[str, Any]]]) -> None:
        self._tables = tables

    async def execute(self, query: Any) -> Any:
        tables = str(query).partition("FROM ")[2]
        rows = [rows for name, rows in self._tables.items() if tables.startswith(f"directory.{name} ")]
        return SimpleNamespace(mappings=lambda: [_as_read(row) for rows in rows for row in rows])


def _as_read(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(row[name]) for name in ("expires_at",) if row.get(name)}
    return row | times


async def run(case: Any, base: Any) -> Any:
    """The record of each entity asked for, or its tombstone."""
    refs = [EntityRef(kind, tenant, tuple(key)) for kind, tenant, key in case["asked"]]
    database = cast("Any", _Database(case["tables"]))
    current = await current_records(database, refs, Topics(base["topic_prefix"]))
    return written([current.records[ref] for ref in refs])
