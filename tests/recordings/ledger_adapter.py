"""The ledger, given recorded statuses and dead letters: the rows it keeps, and what it answers from them. Only this file knows its
classes. PostgreSQL's part, keeping each status once and finding rows, is done here by a list."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

import httpx
from tests.recordings.recording import headers_of, record_of, shortened, to_bytes, to_json

from tocsin.kafka import ConsumerRecord
from tocsin.ledger import create_app
from tocsin.ledger.history import DecisionRow, NotificationHistory, StatusRow, deduplicated, told
from tocsin.ledger.reading import stored_row_of
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES, InvalidRecord
from tocsin.web import KeyTable


class _Table:
    """`ledger.statuses` as the HTTP side asks for it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], StatusRow] = {}

    def keep(self, row: Mapping[str, Any]) -> None:
        """Keep the row, unless it is there only for lists to find: histories are told without those."""
        if row["kind"] == "target":
            return
        values = {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
            if name != "day"
        }
        self.rows.setdefault((str(row["day"]), str(row["status_id"])), stored_row_of(values))

    async def history(self, tenant: str, notification: UUID) -> NotificationHistory | None:
        return (await self.histories(tenant, [notification])).get(str(notification))

    async def histories(self, tenant: str, ids: Sequence[UUID]) -> dict[str, NotificationHistory]:
        rows_of: dict[str, list[StatusRow]] = {}
        wanted: set[str | None] = {str(notification) for notification in ids}
        for row in self.rows.values():
            if row.tenant == tenant and row.notification_id in wanted:
                rows_of.setdefault(str(row.notification_id), []).append(row)
        return {
            key: NotificationHistory(
                deduplicated(
                    status
                    for row in rows
                    for status in (told(row) if isinstance(row, DecisionRow) else [row])
                ),
                truncated=False,
            )
            for key, rows in rows_of.items()
        }

    async def newest(self, tenant: str, _: Any, *, after: Any, limit: int) -> Sequence[StatusRow]:
        """The row with which each notification was accepted and rows about events, newest first; filters are PostgreSQL's business."""
        first: dict[str, StatusRow] = {}
        for row in sorted(self.rows.values(), key=lambda row: (row.stored_at, row.status_id)):
            accepted = isinstance(row, DecisionRow) and row.again is None and row.status != "duplicate"
            if row.tenant == tenant and (accepted or row.notification_id is None):
                first.setdefault(row.notification_id or row.status_id, row)
        ordered = sorted(first.values(), key=lambda row: (row.stored_at, row.status_id), reverse=True)
        return ordered[:limit]


def _kept(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_json(value)
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, list):
        return [_kept(item) for item in value]
    return str(value) if isinstance(value, UUID | str) else value


async def run(case: Any, base: Any) -> Any:
    """The row of each record, or why there is none; then the answers."""
    table, keys, rows = _Table(), KeyTable(), []
    for kept in case["records"]:
        record = record_of(kept, ConsumerRecord)
        dead = ".dead." in record.topic
        target = DEAD_LETTERS if dead else STATUSES
        try:
            made = [dict(zip(target.columns, row, strict=True)) for row in target.rows_of(record)]
        except InvalidRecord as error:
            rows.append({"unreadable": str(error)})
            continue
        for row in made:
            rows.append({name: _kept(value) for name, value in row.items() if value is not None})
            if not dead:
                table.keep(row)
    for entity in base["directory"]:
        keys.apply(ConsumerRecord("directory", 0, 0, 0, to_bytes(entity["key"]), to_bytes(entity["value"])))
    app, answers = create_app(reader=cast("Any", table), keys=keys), []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        for request in case["requests"]:
            headers = [(name.encode(), value) for name, value in headers_of(request["headers"])]
            answer = await client.request("GET", request["path"], headers=headers)
            given = sorted(answer.headers.multi_items())
            answers.append(
                {"status": answer.status_code, "headers": given, "body": shortened(answer.content)}
            )
    return {"rows": rows, "answers": answers}
