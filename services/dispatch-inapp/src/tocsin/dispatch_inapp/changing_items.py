"""What a recipient changes of their box: item, counts, and the rows that tell of it, in one transaction that holds the box."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tocsin.contracts.vocabulary import StatusName
from tocsin.database import Database
from tocsin.dispatch_inapp.item_rows import COLUMNS, StoredItem, stored_item
from tocsin.dispatch_inapp.item_state import ItemChange, ItemState, changed

SEEN_AT_ONCE: Final = 500
"""Items of one transaction: it holds the box for some ten milliseconds."""

_HOLD: Final = "SELECT last_seq FROM inbox.boxes WHERE tenant = $1 AND recipient = $2 FOR UPDATE"
_ITEM: Final = (
    f"SELECT {COLUMNS} FROM inbox.items WHERE tenant = $1 AND recipient = $2 AND id = $3 AND remove_at > $4"  # noqa: S608 - columns of ours
)
_CHANGE: Final = f"""
UPDATE inbox.items SET seen_at = $4, read_at = $5, archived_at = $6, clicked_at = $7, clicked_action = $8
WHERE tenant = $1 AND recipient = $2 AND id = $3 RETURNING {COLUMNS}
"""  # noqa: S608 - columns of ours
_COUNT: Final = """
UPDATE inbox.boxes SET unseen = unseen + $3, unread = unread + $4 WHERE tenant = $1 AND recipient = $2
"""
_TELL: Final = """
INSERT INTO inbox.changes (tenant, recipient, item, status, at, category, about)
SELECT $1, $2, $3, status, $5, $6, $7 FROM unnest($4::text[]) AS status
"""
_SEE: Final = """
WITH unseen AS (
  SELECT id FROM inbox.items WHERE tenant = $1 AND recipient = $2 AND seq <= $3 AND seen_at IS NULL ORDER BY seq LIMIT $6
), seen AS (
  UPDATE inbox.items SET seen_at = $4 WHERE tenant = $1 AND recipient = $2 AND id IN (SELECT id FROM unseen)
  RETURNING id, category, about, archived_at
), told AS (
  INSERT INTO inbox.changes (tenant, recipient, item, status, at, category, about)
  SELECT $1, $2, id, $5, $4, category, about FROM seen
), counted AS (
  UPDATE inbox.boxes SET unseen = unseen - (SELECT count(*) FROM seen WHERE archived_at IS NULL)
  WHERE tenant = $1 AND recipient = $2
)
SELECT id FROM seen
"""


class ChangingItems:
    """Of one database. What was asked for and stands already changes nothing, and is told by nothing."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def change(
        self, tenant: str, recipient: str, item: UUID, change: ItemChange, *, at: datetime
    ) -> StoredItem | None:
        """The item as it stands then; None where the box has none of this id, or none with the action."""
        async with (
            self._database.driver("UPDATE inbox.items") as connection,
            connection.transaction(),
        ):
            if await connection.fetchrow(_HOLD, tenant, recipient) is None:
                return None
            row = await connection.fetchrow(_ITEM, tenant, recipient, item, at)
            if row is None:
                return None
            before = stored_item(row)
            if change.action is not None and change.action not in {
                each.name for each in before.content.actions
            }:
                return None
            return await _change(connection, tenant, recipient, before, change, at)

    async def see_until(self, tenant: str, recipient: str, seq: int, *, at: datetime) -> list[UUID]:
        """Everything with a number up to `seq` is seen; the ids of what was not yet."""
        ids: list[UUID] = []
        while True:
            async with self._database.driver("UPDATE inbox.items") as connection, connection.transaction():
                if await connection.fetchrow(_HOLD, tenant, recipient) is None:
                    return ids
                seen = await connection.fetch(
                    _SEE, tenant, recipient, seq, at, StatusName.SEEN.value, SEEN_AT_ONCE
                )
            ids += [row["id"] for row in seen]
            if len(seen) < SEEN_AT_ONCE:
                return ids


async def _change(  # noqa: PLR0917 - a step of `change`
    connection: Any, tenant: str, recipient: str, before: StoredItem, change: ItemChange, at: datetime
) -> StoredItem:
    after = changed(before.state, change, at=at)
    if after.state == before.state:
        return before
    state = after.state
    row = await connection.fetchrow(
        _CHANGE, tenant, recipient, before.id, state.seen_at, state.read_at, state.archived_at,
        state.clicked_at, state.clicked_action,
    )  # fmt: skip
    unseen, unread = _difference(before.state, state)
    if unseen or unread:
        await connection.execute(_COUNT, tenant, recipient, unseen, unread)
    if after.statuses:
        words = [status.value for status in after.statuses]
        await connection.execute(
            _TELL, tenant, recipient, before.id, words, at, before.category, before.about
        )
    return stored_item(row)


def _difference(before: ItemState, after: ItemState) -> tuple[int, int]:
    """By how much the counts of unseen and unread change."""
    return (
        int(after.counts_as_unseen) - int(before.counts_as_unseen),
        int(after.counts_as_unread) - int(before.counts_as_unread),
    )
