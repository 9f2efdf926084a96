"""Items as they are read from the tables, and a box's counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from tocsin.dispatch_inapp.item_state import ItemState
from tocsin.dispatch_inapp.new_item import ItemContent

COLUMNS: Final = "id, seq, category, content, about, created_at, expires_at, seen_at, read_at, archived_at, clicked_at, clicked_action"
_content: Final = msgspec.json.Decoder(ItemContent).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """One row of `inbox.items`."""

    id: UUID
    seq: int
    category: str
    content: ItemContent
    about: str
    created_at: datetime
    expires_at: datetime | None
    state: ItemState


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A box: how many items its recipient has not seen and not read, and the number of the last one."""

    unseen: int = 0
    unread: int = 0
    last_seq: int = 0


def stored_item(row: Mapping[str, Any]) -> StoredItem:
    """The item of a row with `COLUMNS`."""
    return StoredItem(
        id=row["id"],
        seq=row["seq"],
        category=row["category"],
        content=_content(row["content"]),
        about=row["about"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        state=ItemState(
            seen_at=row["seen_at"],
            read_at=row["read_at"],
            archived_at=row["archived_at"],
            clicked_at=row["clicked_at"],
            clicked_action=row["clicked_action"],
        ),
    )


def counts(row: Mapping[str, Any] | None) -> Counts:
    """The counts of a row of `inbox.boxes`; of a recipient who never had an item all are 0."""
    if row is None:
        return Counts()
    return Counts(unseen=row["unseen"], unread=row["unread"], last_seq=row["last_seq"])
