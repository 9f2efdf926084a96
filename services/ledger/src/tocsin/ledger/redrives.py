"""Re-drives as they stand in PostgreSQL: made and steered through the API, worked on by one ledger at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.kafka import TopicPartition
from tocsin.ledger.dead_letters import StoredLetter, letter_of
from tocsin.ledger.history import StatusRow
from tocsin.ledger.reading import stored_row_of
from tocsin.ledger.redrive_selection import (
    LetterSelection,
    Query,
    Selection,
    count_query,
    decode_selection,
    encode_selection,
    sample_query,
)

State = Literal["running", "paused", "stopped", "finished"]
MOST_COUNTED: Final = 100_000
"""A count stops here: it is asked for by a person who waits."""

_COLUMNS: Final = "id, number, tenant, selection, state, rate, matched, written, not_possible, place, page, pending, key_id, created_at, ended_at"
_INSERT: Final = text(
    "INSERT INTO ledger.redrives (id, tenant, selection, state, rate, matched, key_id, created_at) "  # noqa: S608 - from this file
    f"VALUES (CAST(:id AS uuid), :tenant, :selection, 'running', :rate, :matched, :key_id, :at) RETURNING {_COLUMNS}"
)
_ONE: Final = text(
    f"SELECT {_COLUMNS} FROM ledger.redrives WHERE id = CAST(:id AS uuid) AND tenant = :tenant"  # noqa: S608 - from this file
)
_NEWEST: Final = text(
    f"SELECT {_COLUMNS} FROM ledger.redrives WHERE tenant = :tenant AND number < :before ORDER BY number DESC LIMIT :limit"  # noqa: S608 - from this file
)
_STEER: Final = text(
    "UPDATE ledger.redrives SET state = :state, ended_at = CASE WHEN :state = 'stopped' THEN CAST(:now AS timestamptz) END "  # noqa: S608 - from this file
    "WHERE id = CAST(:id AS uuid) AND tenant = :tenant AND (state IN ('running', 'paused') OR state = :state) "
    f"RETURNING {_COLUMNS}"
)


class StoredRedrive(msgspec.Struct, frozen=True, kw_only=True):
    """One re-drive. `matched` was counted when it began; what no longer fits when its turn comes is not written."""

    id: str
    number: int
    tenant: str
    selection: Selection
    state: State
    rate: int
    matched: int
    written: int
    not_possible: int
    place: str | None
    page: int
    pending: bool
    key_id: str
    created_at: datetime
    ended_at: datetime | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a selection finds now. `matched` is `MOST_COUNTED` where it is as much or more."""

    matched: int
    not_possible: int
    samples: list[StatusRow] | list[StoredLetter]


class Redrives:
    """The re-drives of one database."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(
        self, selection: Selection, *, now: datetime, starts: Mapping[TopicPartition, int], samples: int
    ) -> Found:
        """How much fits, how much of it cannot be sent again, and the oldest of it."""
        async with self._engine.connect() as connection:
            counted = await _rows(
                connection, count_query(selection, now=now, starts=starts, most=MOST_COUNTED)
            )
            oldest = await _rows(connection, sample_query(selection, now=now, limit=samples))
        return Found(**counted[0], samples=[row_of(selection, row) for row in oldest])

    async def begin(
        self, selection: Selection, *, rate: int, matched: int, key_id: str, now: datetime
    ) -> StoredRedrive:
        """A new one, running."""
        values = {"id": str(uuid4()), "tenant": selection.tenant, "rate": rate, "matched": matched}
        values |= {"selection": encode_selection(selection).decode(), "key_id": key_id, "at": now}
        async with self._engine.begin() as connection:
            return redrive_of((await connection.execute(_INSERT, values)).mappings().one())

    async def one(self, tenant: str, redrive_id: str) -> StoredRedrive | None:
        """The tenant's re-drive of this id."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ONE, {"id": redrive_id, "tenant": tenant})).mappings().first()
        return None if row is None else redrive_of(row)

    async def newest(self, tenant: str, *, before: int | None, limit: int) -> Sequence[StoredRedrive]:
        """Up to `limit` of the tenant, newest first; those with a number below `before`, if it is given."""
        values = {"tenant": tenant, "before": before or 2**63 - 1, "limit": limit}
        async with self._engine.connect() as connection:
            return [redrive_of(row) for row in (await connection.execute(_NEWEST, values)).mappings()]

    async def steer(
        self, tenant: str, redrive_id: str, state: State, *, now: datetime
    ) -> StoredRedrive | None:
        """Bring it to this state; None where it has ended in another, or is not there."""
        values = {"id": redrive_id, "tenant": tenant, "state": state, "now": now}
        async with self._engine.begin() as connection:
            row = (await connection.execute(_STEER, values)).mappings().first()
        return None if row is None else redrive_of(row)


def redrive_of(columns: Mapping[Any, Any]) -> StoredRedrive:
    """From the columns of `ledger.redrives`, as the driver gives them."""
    values = dict(columns)
    return StoredRedrive(
        **(values | {"id": str(values["id"]), "selection": decode_selection(values["selection"])})
    )


def row_of(selection: Selection, columns: Mapping[Any, Any]) -> Any:
    """A row that the selection found, as the ledger reads its table."""
    return letter_of(columns) if isinstance(selection, LetterSelection) else stored_row_of(columns)


async def _rows(connection: AsyncConnection, query: Query) -> list[Any]:
    return list((await connection.execute(text(query.statement), query.values)).mappings())
