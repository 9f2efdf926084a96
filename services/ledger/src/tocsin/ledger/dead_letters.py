"""Reads `ledger.dead_letters`. Each query names the tenants whose letters may be seen; '' stands for letters that name none."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.dead_letters import DeadLetter
from tocsin.ledger.tables import DEAD_LETTERS

NO_TENANT: Final = ""
LOOKED_AT: Final = 10_000
MOST_SOURCES: Final = 200
_RECORD: Final = ("key", "value", "headers")
ABOUT: Final = ", ".join(
    ("number", *(name for name in DEAD_LETTERS.columns if name not in ("day", *_RECORD)))
)
WHOLE: Final = f"{ABOUT}, {', '.join(_RECORD)}"
_ONE: Final = text(f"SELECT {WHOLE} FROM ledger.dead_letters WHERE id = :id AND tenant = ANY(:tenants)")  # noqa: S608 - names from this package
_CONDITIONS: Final = {
    "reason": "reason = :reason",
    "service": "service = :service",
    "kind": "kind = :kind",
    # The index holds the source's hash, and two sources may have the same.
    "source": "hashtextextended(event_source, 0) = hashtextextended(:source, 0) AND event_source = :source",
    # The day keeps PostgreSQL from looking into older partitions.
    "since": "day >= (:since AT TIME ZONE 'UTC')::date AND stored_at >= :since",
    "until": "stored_at < :until",
}


class StoredLetter(DeadLetter, kw_only=True):
    """A dead letter as the ledger has stored it. `key`, `value` and `own_headers` are read for one letter, not for a list."""

    id: str
    number: int
    """Grows in the order in which letters became visible."""
    kind: str
    stored_at: datetime
    kafka_topic: str
    kafka_partition: int
    kafka_offset: int
    key: bytes | None = None
    value: bytes | None = None
    own_headers: tuple[tuple[str, bytes], ...] = ()


class LetterFilters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list must fit; None fits everything."""

    reason: str | None = None
    service: str | None = None
    source: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self, tenant: str) -> tuple[list[str], dict[str, Any]]:
        """The conditions on a row, and their parameters."""
        asked = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return ["tenant = :tenant", *(_CONDITIONS[name] for name in asked)], {"tenant": tenant} | asked


class LetterSource(msgspec.Struct, frozen=True, kw_only=True):
    """Letters of one source and reason, among those that were looked at."""

    event_source: str
    reason: str
    letters: int
    first_stored_at: datetime
    last_stored_at: datetime
    last_id: str


class DeadLetterReader:
    """Reads from one database."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine

    async def one(self, tenants: Sequence[str], letter_id: UUID) -> StoredLetter | None:
        """The whole letter, if it is of one of these tenants."""
        letters = await self._letters(_ONE, {"tenants": list(tenants), "id": letter_id})
        return letters[0] if letters else None

    async def newest(
        self, tenant: str, filters: LetterFilters, *, before: int | None, limit: int
    ) -> Sequence[StoredLetter]:
        """Up to `limit` letters, newest first; those with a number below `before`, if it is given."""
        return await self._page(tenant, filters, before, limit, newest_first=True)

    async def oldest(
        self, tenant: str, filters: LetterFilters, *, after: int | None, limit: int
    ) -> Sequence[StoredLetter]:
        """Up to `limit` letters, oldest first; those with a number above `after`. What becomes visible later has a higher number."""
        return await self._page(tenant, filters, after, limit, newest_first=False)

    async def by_source(self, tenant: str, filters: LetterFilters) -> list[LetterSource]:
        """Who sent the newest `LOOKED_AT` letters that fit, by source and reason: the most first, at most `MOST_SOURCES`.

        So many and no more, for somebody may send a million of them: they are read by one index, in some 20 ms.
        """
        conditions, values = filters.conditions(tenant)
        statement = text(
            "SELECT event_source, reason, count(*) AS letters, min(stored_at) AS first_stored_at, "  # noqa: S608 - conditions from this file
            "max(stored_at) AS last_stored_at, (array_agg(id::text ORDER BY number DESC))[1] AS last_id FROM ("
            "SELECT event_source, reason, stored_at, id, number FROM ledger.dead_letters "
            f"WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT {LOOKED_AT}"
            f") AS newest GROUP BY event_source, reason ORDER BY letters DESC, event_source, reason LIMIT {MOST_SOURCES}"
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement, values)
            return [LetterSource(**row) for row in rows.mappings()]

    async def _page(
        self, tenant: str, filters: LetterFilters, place: int | None, limit: int, *, newest_first: bool
    ) -> Sequence[StoredLetter]:
        beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
        conditions, values = filters.conditions(tenant)
        values["limit"] = limit
        if place is not None:
            conditions.append(f"number {beyond} :place")
            values["place"] = place
        statement = text(
            f"SELECT {ABOUT} FROM ledger.dead_letters WHERE {' AND '.join(conditions)} "  # noqa: S608 - conditions from this file
            f"ORDER BY number {direction} LIMIT :limit"
        )
        return await self._letters(statement, values)

    async def _letters(self, statement: TextClause, values: Mapping[str, Any]) -> list[StoredLetter]:
        async with self._engine.connect() as connection:
            result = await connection.execute(statement, values)
            return [letter_of(row) for row in result.mappings()]


def letter_of(columns: Mapping[Any, Any]) -> StoredLetter:
    """From the columns of `ledger.dead_letters`, as the driver gives them."""
    values = dict(columns) | {"id": str(columns["id"])}
    if "headers" in values:
        values["own_headers"] = msgspec.json.decode(values.pop("headers"), type=tuple[tuple[str, bytes], ...])
    return StoredLetter(**values)
