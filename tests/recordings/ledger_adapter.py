"""The ledger, given recorded statuses and dead letters: the rows it keeps, and what it answers from them. Only this file knows its
classes. PostgreSQL's part, keeping each status once and finding rows, is done here by a list."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

import httpx
from tests.recordings.recording import headers_of, record_of, shortened, to_bytes, to_json

from tocsin.contracts.vocabulary import StatusName
from tocsin.kafka import Record
from tocsin.ledger import create_app, dead_letter_rows, status_rows
from tocsin.ledger.happenings import Happening, first_of_each
from tocsin.ledger.key_feed import KeyFeed
from tocsin.ledger.reading import Found, Story, _happening
from tocsin.web import KeyTable


class _Table:
    """`ledger.statuses` as the HTTP side asks for it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Happening] = {}

    def keep(self, row: Mapping[str, Any]) -> None:
        values = {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
            if name != "day"
        }
        self.rows.setdefault((str(row["day"]), str(row["status_id"])), _happening(values))

    async def notification(self, tenant: str, notification: UUID) -> Story | None:
        return (await self.notifications(tenant, [notification])).get(str(notification))

    async def notifications(self, tenant: str, ids: Sequence[UUID]) -> dict[str, Story]:
        stories: dict[str, list[Happening]] = {}
        wanted: set[str | None] = {str(notification) for notification in ids}
        for row in self.rows.values():
            if row.tenant == tenant and row.notification_id in wanted:
                stories.setdefault(str(row.notification_id), []).append(row)
        return {key: Story(first_of_each(rows), truncated=False) for key, rows in stories.items()}

    async def list(self, tenant: str, _: Any, *, after: Any, limit: int) -> Sequence[Found]:
        """The first row of each notification and rows about events, newest first; filters are PostgreSQL's business."""
        first: dict[str, Happening] = {}
        for row in sorted(self.rows.values(), key=lambda row: (row.stored_at, row.status_id)):
            if row.tenant == tenant and (row.status is StatusName.ACCEPTED or row.notification_id is None):
                first.setdefault(row.notification_id or row.status_id, row)
        ordered = sorted(first.values(), key=lambda row: (row.stored_at, row.status_id), reverse=True)
        return [Found(row) for row in ordered[:limit]]


def _kept(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_json(value)
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return str(value) if isinstance(value, UUID | str) else value


async def run(case: Any, base: Any) -> Any:
    """The row of each record, or why there is none; then the answers."""
    table, keys, rows = _Table(), KeyTable(), []
    for kept in case["records"]:
        record = record_of(kept, Record)
        dead = ".dead." in record.topic
        columns, row_of = (
            (dead_letter_rows.COLUMNS, dead_letter_rows.row_of)
            if dead
            else (status_rows.COLUMNS, status_rows.row_of)
        )
        try:
            row = dict(zip(columns, row_of(record), strict=True))
        except (status_rows.StatusUnreadable, dead_letter_rows.DeadLetterUnreadable) as error:
            rows.append({"unreadable": str(error)})
            continue
        rows.append({name: _kept(value) for name, value in row.items() if value is not None})
        if not dead:
            table.keep(row)
    for entity in base["directory"]:
        KeyFeed(keys=keys).apply(
            Record("directory", 0, 0, 0, to_bytes(entity["key"]), to_bytes(entity["value"]))
        )
    app, answers = create_app(ledger=cast("Any", table), keys=keys), []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        for request in case["requests"]:
            headers = [(name.encode(), value) for name, value in headers_of(request["headers"])]
            answer = await client.request("GET", request["path"], headers=headers)
            given = sorted(answer.headers.multi_items())
            answers.append(
                {"status": answer.status_code, "headers": given, "body": shortened(answer.content)}
            )
    return {"rows": rows, "answers": answers}
