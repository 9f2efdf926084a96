"""Questions to `ledger.statuses`. Every one of them names the tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.vocabulary import StatusName
from tocsin.ledger.happenings import Happening, first_of_each
from tocsin.ledger.status_rows import COLUMNS

MOST_ROWS: Final = 5_000
"""Rows of one notification that are read, oldest first; a push to a thousand devices makes two thousand."""

_SELECT: Final = ", ".join(f"s.{name}" for name in COLUMNS if name != "day")
_OF_NOTIFICATIONS = text(
    f"SELECT {_SELECT} FROM unnest(CAST(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL ("  # noqa: S608 - names from this package
    "SELECT * FROM ledger.statuses WHERE notification_id = wanted.id AND tenant = :tenant "
    "ORDER BY stored_at, kafka_partition, kafka_offset LIMIT :most) s"
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is asked for; None asks for nothing."""

    recipient: str | None = None
    workflow: str | None = None
    channel: str | None = None
    status: StatusName | None = None
    event: str | None = None
    since: datetime | None = None


class Found(msgspec.Struct, frozen=True):
    """A row of a list: a notification, or a record about an event; `stored_at` and `status_id` are its place in it."""

    happening: Happening

    @property
    def place(self) -> tuple[str, str]:
        """The sort key, as a cursor holds it."""
        return self.happening.stored_at.isoformat(), self.happening.status_id


class Story(msgspec.Struct, frozen=True):
    """What is known of one notification, each status id once; `truncated`: more is stored than the first `MOST_ROWS`."""

    happenings: list[Happening]
    truncated: bool


class Ledger:
    """Reads for one database."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine

    async def notification(self, tenant: str, notification_id: UUID) -> Story | None:
        """The story of one notification; None when nothing is known of it."""
        return (await self.notifications(tenant, [notification_id])).get(str(notification_id))

    async def notifications(self, tenant: str, ids: Sequence[UUID]) -> dict[str, Story]:
        """The stories of these notifications by id, without those of which nothing is known."""
        if not ids:
            return {}
        async with self._engine.connect() as connection:
            values = {"ids": list(ids), "tenant": tenant, "most": MOST_ROWS + 1}
            rows = await _rows(connection, _OF_NOTIFICATIONS, values)
        found: dict[str, list[Happening]] = {}
        for one in rows:
            found.setdefault(str(one.notification_id), []).append(one)
        return {
            notification: Story(first_of_each(happenings[:MOST_ROWS]), truncated=len(happenings) > MOST_ROWS)
            for notification, happenings in found.items()
        }

    async def list(
        self, tenant: str, filters: Filters, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Found]:
        """Up to `limit` notifications (and event-level records, where `event` is asked for), newest first."""
        where, values = _conditions(tenant, filters)
        if after is not None:
            where.append("(s.stored_at, s.status_id) < (:after_at, :after_id)")
            values |= {"after_at": after[0], "after_id": after[1]}
        statement = text(
            f"SELECT {_SELECT} FROM ledger.statuses s WHERE {' AND '.join(where)} "  # noqa: S608 - conditions from this file
            "ORDER BY s.stored_at DESC, s.status_id DESC LIMIT :limit"
        )
        async with self._engine.connect() as connection:
            return [Found(one) for one in await _rows(connection, statement, values | {"limit": limit})]


async def _rows(connection: AsyncConnection, statement: Any, values: Mapping[str, Any]) -> list[Happening]:
    result = await connection.execute(statement, values)
    return [_happening(row._mapping) for row in result]


def _happening(row: Mapping[Any, Any]) -> Happening:
    values = {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
    if values["decision"] is not None:
        values["decision"] = msgspec.json.decode(values["decision"])
    return msgspec.convert(values, Happening)


# A list holds, of each notification, the row that was stored first among those that fit: `accepted`, unless the list asks
# for another status. That makes its order fixed and its pages free of repetitions. A record about an event as a whole has no
# notification, so that this is true of every one of them.
_FIRST = (
    "NOT EXISTS (SELECT 1 FROM ledger.statuses f WHERE f.notification_id = s.notification_id AND f.tenant = s.tenant "
    "AND f.status = s.status {same_channel} AND (f.stored_at, f.status_id) < (s.stored_at, s.status_id))"
)
_ON_CHANNEL = (
    "EXISTS (SELECT 1 FROM ledger.statuses c WHERE c.notification_id = s.notification_id AND c.tenant = s.tenant "
    "AND c.channel = :channel)"
)


def _conditions(tenant: str, filters: Filters) -> tuple[list[str], dict[str, Any]]:
    where, values = ["s.tenant = :tenant"], dict[str, Any](tenant=tenant)
    status = filters.status or StatusName.ACCEPTED
    on_row = filters.channel is not None and status is not StatusName.ACCEPTED
    first = _FIRST.format(same_channel="AND f.channel = s.channel" if on_row else "")
    if filters.event is not None and filters.status is None:
        where.append(f"(s.status = 'accepted' OR s.notification_id IS NULL) AND {first}")
    else:
        where.append(f"s.status = '{status.value}' AND {first}")
    for name in ("recipient", "workflow"):
        if (value := getattr(filters, name)) is not None:
            where.append(f"s.{name} = :{name}")
            values[name] = value
    if filters.event is not None:  # the index holds the hash; hashes of two ids may be equal
        where.append("hashtextextended(s.event_id, 0) = hashtextextended(:event, 0) AND s.event_id = :event")
        values["event"] = filters.event
    if filters.channel is not None:
        where.append("s.channel = :channel" if on_row else _ON_CHANNEL)
        values["channel"] = filters.channel
    if filters.since is not None:
        where.append("s.day >= (:since AT TIME ZONE 'UTC')::date AND s.stored_at >= :since")
        values["since"] = filters.since
    return where, values
