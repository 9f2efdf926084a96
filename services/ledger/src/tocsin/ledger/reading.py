"""Reads `ledger.statuses` for timelines. Each query names the tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.vocabulary import StatusName
from tocsin.ledger.history import DecisionRow, NotificationHistory, StatusRow, deduplicated, told
from tocsin.ledger.tables import STATUSES

MOST_ROWS: Final = 5_000
"""Rows of one notification that are read, oldest first. A push to 50 devices makes 51 and one for each repetition."""

_SELECT: Final = ", ".join(f"s.{name}" for name in STATUSES.columns if name != "day")
_OF_NOTIFICATIONS = text(
    f"SELECT {_SELECT} FROM unnest(CAST(:ids AS uuid[])) AS asked(id) CROSS JOIN LATERAL ("  # noqa: S608 - names from this package
    "SELECT * FROM ledger.statuses WHERE notification_id = asked.id AND tenant = :tenant AND kind <> 'target' "
    "ORDER BY stored_at, kafka_partition, kafka_offset LIMIT :most) s"
)


_REQUESTS_OF_KEYS = text(
    f"SELECT {_SELECT} FROM ledger.statuses s WHERE s.tenant = :tenant AND s.status = 'cancel_requested' "  # noqa: S608 - names from this package
    "AND s.cancel_key = ANY(CAST(:keys AS text[])) ORDER BY s.stored_at DESC LIMIT :most"
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list must fit; None fits everything."""

    recipient: str | None = None
    workflow: str | None = None
    channel: str | None = None
    status: StatusName | None = None
    event: str | None = None
    since: datetime | None = None
    overdue: bool = False


class TimelineReader:
    """Reads from one database."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine

    async def history(self, tenant: str, notification_id: UUID) -> NotificationHistory | None:
        """The history of one notification; None when nothing is known of it."""
        return (await self.histories(tenant, [notification_id])).get(str(notification_id))

    async def histories(
        self, tenant: str, notification_ids: Sequence[UUID]
    ) -> dict[str, NotificationHistory]:
        """The histories of these notifications by id, without those of which nothing is known."""
        if not notification_ids:
            return {}
        values = {"ids": list(notification_ids), "tenant": tenant, "most": MOST_ROWS + 1}
        rows_of: dict[str, list[StatusRow]] = {}
        for row in await self._rows(_OF_NOTIFICATIONS, values):
            rows_of.setdefault(str(row.notification_id), []).append(row)
        keys = {row.cancel_key for rows in rows_of.values() for row in rows if row.cancel_key is not None}
        requests: list[StatusRow] = []
        if keys:
            requests = await self._rows(
                _REQUESTS_OF_KEYS, {"tenant": tenant, "keys": list(keys), "most": MOST_ROWS}
            )
        return {notification_id: _history(rows, requests) for notification_id, rows in rows_of.items()}

    async def newest(
        self, tenant: str, filters: Filters, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[StatusRow]:
        """Up to `limit` notifications (and event-level records, where `event` is asked for), newest first: a row of each.

        `after` is the `stored_at` and `status_id` of the last row of the page before.
        """
        conditions, values = _conditions(tenant, filters)
        if after is not None:
            conditions.append("(s.stored_at, s.status_id) < (:after_at, :after_id)")
            values |= {"after_at": after[0], "after_id": after[1]}
        statement = text(
            f"SELECT {_SELECT} FROM ledger.statuses s WHERE {' AND '.join(conditions)} "  # noqa: S608 - conditions from this file
            "ORDER BY s.stored_at DESC, s.status_id DESC LIMIT :limit"
        )
        return await self._rows(statement, values | {"limit": limit})

    async def _rows(self, statement: TextClause, values: Mapping[str, Any]) -> list[StatusRow]:
        async with self._engine.connect() as connection:
            result = await connection.execute(statement, values)
            return [stored_row_of(row) for row in result.mappings()]


def _history(rows: Sequence[StatusRow], requests: Sequence[StatusRow]) -> NotificationHistory:
    """From the rows as they were read, oldest first, and the cancellations of keys."""
    happened: list[StatusRow] = []
    for row in rows[:MOST_ROWS]:
        happened += told(row) if isinstance(row, DecisionRow) else [row]
    happened += [
        request for request in requests if any(_reaches(request, row) for row in happened if row.cancel_key)
    ]
    return NotificationHistory(deduplicated(happened), truncated=len(rows) > MOST_ROWS)


def _reaches(request: StatusRow, row: StatusRow) -> bool:
    """Whether the cancellation of a key reaches the notification that was accepted so."""
    return (
        row.status == StatusName.ACCEPTED
        and row.cancel_key == request.cancel_key
        and row.at < request.at
        and (row.test or not request.test)
    )


def stored_row_of(columns: Mapping[Any, Any]) -> StatusRow:
    """From the columns of `ledger.statuses`, as the driver gives them."""
    values = {name: str(value) if isinstance(value, UUID) else value for name, value in columns.items()}
    values["tries"] = msgspec.json.decode(values["tries"] or "[]")
    values["receipt"] = msgspec.json.decode(values["receipt"] or "null")
    if values["kind"] != "decision":
        return msgspec.convert(values, StatusRow)
    values["decision"] = msgspec.json.decode(values["decision"])
    return msgspec.convert(values, DecisionRow)


_ON_CHANNEL: Final = "({row}.channel = :channel OR :channel = ANY({row}.routed))"


_STILL_WAITS: Final = (
    "NOT EXISTS (SELECT 1 FROM ledger.statuses d WHERE d.notification_id = {row}.notification_id AND d.tenant = {row}.tenant "
    "AND d.kind = 'decision' AND d.status NOT IN ('scheduled', 'duplicate') AND d.stored_at >= {row}.stored_at)"
)
"""What was decided when it was due takes the place of its having waited."""


def _says(status: StatusName, row: str) -> str:
    """The condition that a row says this of its notification or event.

    The words are written into the statement, because PostgreSQL uses an index made `WHERE status = …` only for constants.
    """
    if status is StatusName.ACCEPTED:
        return f"{row}.kind = 'decision' AND {row}.again IS NULL AND {row}.status <> 'duplicate'"
    if status is StatusName.ROUTED:
        return f"{row}.kind = 'decision' AND {row}.routed IS NOT NULL"
    if status is StatusName.SCHEDULED:
        return f"{row}.status = 'scheduled' AND {_STILL_WAITS.format(row=row)}"
    return f"{row}.status = '{status.value}'"


def _conditions(tenant: str, filters: Filters) -> tuple[list[str], dict[str, Any]]:
    """The conditions on a row `s` of a list, and their parameters.

    A list shows a notification by one of its rows: the first that was stored among those that say what is asked for, which is
    that it was accepted unless the caller names a status. So the order of the list is fixed and no page repeats a notification.
    Records about an event as a whole belong to no notification; each of them is shown.
    """
    status = filters.status or StatusName.ACCEPTED
    shown = _says(status, "s")
    if filters.event is not None and filters.status is None:
        shown = f"(({shown}) OR s.notification_id IS NULL)"
    earlier = [
        "f.notification_id = s.notification_id",
        "f.tenant = s.tenant",
        _says(status, "f"),
        "(f.stored_at, f.status_id) < (s.stored_at, s.status_id)",
    ]
    conditions = ["s.tenant = :tenant", shown]
    values: dict[str, Any] = {"tenant": tenant}
    if filters.channel is not None:
        values["channel"] = filters.channel
        if status is StatusName.ACCEPTED:
            # A notification is accepted before a channel is chosen: any row of it may have the channel.
            conditions.append(
                "EXISTS (SELECT 1 FROM ledger.statuses c WHERE c.notification_id = s.notification_id "  # noqa: S608 - constants of this file
                f"AND c.tenant = s.tenant AND {_ON_CHANNEL.format(row='c')})"
            )
        else:
            conditions.append(_ON_CHANNEL.format(row="s"))
            earlier.append(_ON_CHANNEL.format(row="f"))
    conditions.append(f"NOT EXISTS (SELECT 1 FROM ledger.statuses f WHERE {' AND '.join(earlier)})")  # noqa: S608 - conditions from this file
    if filters.overdue:
        # As an array: the few that there are lead to their rows, and not all rows to whether they are among them.
        conditions.append(
            "s.notification_id = ANY (ARRAY(SELECT notification_id FROM ledger.overdue WHERE tenant = :tenant))"
        )
    if filters.recipient is not None:
        conditions.append("s.recipient = :recipient")
        values["recipient"] = filters.recipient
    if filters.workflow is not None:
        conditions.append("s.workflow = :workflow")
        values["workflow"] = filters.workflow
    if filters.event is not None:
        # The index holds the id's hash, and two ids may have the same hash.
        conditions.append(
            "hashtextextended(s.event_id, 0) = hashtextextended(:event, 0) AND s.event_id = :event"
        )
        values["event"] = filters.event
    if filters.since is not None:
        # The day keeps PostgreSQL from looking into older partitions.
        conditions.append("s.day >= (:since AT TIME ZONE 'UTC')::date AND s.stored_at >= :since")
        values["since"] = filters.since
    return conditions, values
