"""What a recipient reads of their box. Each query names tenant and recipient: nobody sees what is another's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tocsin.database import Database
from tocsin.dispatch_inapp.item_rows import COLUMNS, Counts, StoredItem, counts, stored_item

_OWN: Final = f"SELECT {COLUMNS} FROM inbox.items WHERE tenant = $1 AND recipient = $2"  # noqa: S608 - columns of ours
_BOX: Final = "SELECT unseen, unread, last_seq FROM inbox.boxes WHERE tenant = $1 AND recipient = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items of the box: archived ones or the others, and of those all, or some."""

    archived: bool = False
    unread: bool = False
    category: str | None = None


class ReadingItems:
    """Of one database. What has expired by `now` is not shown, also before the sweep has removed it."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def newest(
        self, tenant: str, recipient: str, shown: ItemFilter, *, now: datetime, before: int | None, limit: int
    ) -> list[StoredItem]:
        """At most `limit` of them, the newest first, with numbers below `before`."""
        bound = 2**63 - 1 if before is None else before
        where = f"{_filter(shown)} AND seq < $5 ORDER BY seq DESC LIMIT $6"
        return await self._items(where, tenant, recipient, now, shown.category, bound, limit)

    async def after(
        self, tenant: str, recipient: str, shown: ItemFilter, *, now: datetime, after: int, limit: int
    ) -> list[StoredItem]:
        """At most `limit` of them, the oldest first, with numbers above `after`."""
        where = f"{_filter(shown)} AND seq > $5 ORDER BY seq LIMIT $6"
        return await self._items(where, tenant, recipient, now, shown.category, after, limit)

    async def of_ids(
        self, tenant: str, recipient: str, ids: Sequence[UUID], *, now: datetime
    ) -> list[StoredItem]:
        """Those of these ids that stand in the box, the oldest first."""
        return await self._items(
            "remove_at > $3 AND id = ANY($4::uuid[]) ORDER BY seq", tenant, recipient, now, list(ids)
        )

    async def counts(self, tenant: str, recipient: str) -> Counts:
        """The counts of the box."""
        async with self._database.driver("SELECT inbox.boxes") as connection:
            return counts(await connection.fetchrow(_BOX, tenant, recipient))

    async def _items(self, where: str, *arguments: Any) -> list[StoredItem]:
        async with self._database.driver("SELECT inbox.items") as connection:
            rows = await connection.fetch(f"{_OWN} AND {where}", *arguments)
        return [stored_item(row) for row in rows]


def _filter(shown: ItemFilter) -> str:
    """Words of ours alone; values are parameters."""
    parts = ["remove_at > $3", "category = coalesce($4::text, category)"]
    parts.append("archived_at IS NOT NULL" if shown.archived else "archived_at IS NULL")
    if shown.unread:
        parts.append("read_at IS NULL")
    return " AND ".join(parts)
