"""Many rows of what the bench has a few of, made inside PostgreSQL by copying one: as they would be after months."""

from collections.abc import Sequence
from typing import Any

import asyncpg

import tenant

CHUNK = 200_000
READERS = 100_000
"""Recipients that the ledger's rows are about, in turn."""

_RECIPIENTS = """
INSERT INTO directory.recipients SELECT filled.*
FROM directory.recipients AS known, generate_series($2::int, $3::int) AS number,
LATERAL jsonb_populate_record(known, jsonb_build_object('id', 'grown-' || number, 'email', 'grown-' || number || '@bench.example')) AS filled
WHERE known.id = $1
"""
_CLAIMS = """
INSERT INTO directory.claims (key, record, data_hash)
SELECT decode(md5(number::text), 'hex'), $3::text || number, number FROM generate_series($1::int, $2::int) AS number
"""
_STATUSES = """
INSERT INTO ledger.statuses SELECT filled.*
FROM ledger.statuses AS known, generate_series($2::int, $3::int) AS number,
LATERAL jsonb_populate_record(known, jsonb_build_object(
    'status_id', md5(known.status || number)::uuid, 'notification_id', md5('grown' || number)::uuid,
    'recipient', 'grown-' || number % $4::int, 'event_id', 'grown-' || number)) AS filled
WHERE known.notification_id = $1::uuid
"""


def grown(number: int) -> str:
    """One of the recipients that were made."""
    return f"grown-{number}"


async def recipients(url: str, count: int) -> None:
    """So many more people of the tenant."""
    await _fill(url, "directory.recipients", _RECIPIENTS, count, tenant.RECIPIENTS[0])


async def claims(url: str, count: int, *, record: str = "grown/0/") -> None:
    """So many events that were seen before; `record` is the head of the place of each."""
    await _fill(url, "directory.claims", _CLAIMS, count, last=record)


async def statuses(url: str, count: int, notification: str) -> None:
    """So many rows in the ledger, two a notification, like those of one that stands there; stored today."""
    await _fill(url, "ledger.statuses", _STATUSES, count // 2, notification, last=READERS)


async def timeline_ids(url: str, numbers: Sequence[int]) -> list[str]:
    """The notifications of some of those rows."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(
            "SELECT md5('grown' || number)::uuid::text FROM unnest($1::int[]) AS number", list(numbers)
        )
    finally:
        await connection.close()
    return [row[0] for row in found]


async def _fill(url: str, table: str, sql: str, count: int, *first: Any, last: Any = None) -> None:
    connection = await asyncpg.connect(url)
    try:
        for start in range(1, count + 1, CHUNK):
            end = min(start + CHUNK - 1, count)
            await connection.execute(sql, *first, start, end, *([] if last is None else [last]))
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()
