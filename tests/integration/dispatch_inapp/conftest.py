"""An inbox's tables in a database of the test's own, and what tests ask of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tocsin.contracts.jobs import InappContent, Job
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database, DatabaseSettings
from tocsin.dispatch_inapp.items_table import ItemsTable
from tocsin.dispatch_inapp.migrations import MIGRATIONS
from tocsin.dispatch_inapp.new_item import NewItem, new_item
from tocsin.runtime import Health
from tocsin.testing.jobs import job_for

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEEP = timedelta(days=90)

COUNTS_OF_ROWS = """
SELECT tenant, recipient, coalesce(max(seq), 0) AS last_seq,
  count(*) FILTER (WHERE archived_at IS NULL AND seen_at IS NULL) AS unseen,
  count(*) FILTER (WHERE archived_at IS NULL AND read_at IS NULL) AS unread
FROM inbox.items GROUP BY tenant, recipient
"""


def inapp_job(**fields: Any) -> Job:
    """A job of a delivery of its own."""
    return job_for(Channel.INAPP, **({"delivery_id": str(uuid4())} | fields))


def item(recipient: str = "ada", *, tenant: str = "acme", id: UUID | None = None, **times: Any) -> NewItem:  # noqa: A002 - it is the item's
    """An item to be stored; `times` replace those of the row."""
    job = inapp_job(tenant=tenant, recipient=recipient, delivery_id=str(id or uuid4()))
    assert isinstance(job.private.content, InappContent)
    row = new_item(job, job.private.content, provider="inbox", now=NOW, keep=KEEP)
    return NewItem(**{name: getattr(row, name) for name in row.__struct_fields__} | times)


@dataclass(frozen=True)
class Inboxes:
    """The tables."""

    database: Database
    table: ItemsTable

    async def store(self, *items: NewItem) -> int:
        return await self.table.store(items, at=NOW)

    async def rows(self, query: str, *arguments: Any) -> Sequence[Any]:
        async with self.database.driver() as connection:
            rows: Sequence[Any] = await connection.fetch(query, *arguments)
            return rows

    async def counts_are_those_of_rows(self) -> None:
        """Of each box; `last_seq` is no smaller than that of any row."""
        boxes = {
            (row["tenant"], row["recipient"]): row for row in await self.rows("SELECT * FROM inbox.boxes")
        }
        held = {(row["tenant"], row["recipient"]): row for row in await self.rows(COUNTS_OF_ROWS)}
        assert held.keys() <= boxes.keys()
        for key, box in boxes.items():
            row = held.get(key)
            assert (box["unseen"], box["unread"]) == ((row["unseen"], row["unread"]) if row else (0, 0)), key
            assert row is None or box["last_seq"] >= row["last_seq"]


@pytest.fixture
async def inboxes(database_url: str) -> AsyncIterator[Inboxes]:
    database = Database(
        settings=DatabaseSettings(url=database_url),
        service="dispatch-inapp",
        check=Health().check("database"),
    )
    await MIGRATIONS.upgrade(database.engine)
    yield Inboxes(database, ItemsTable(database=database))
    await database.close()
