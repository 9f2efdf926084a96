"""What the ledger would call overdue."""

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from tocsin.contracts.vocabulary import Lane
from tocsin.ledger.overdue import unended

WEEK: Final = timedelta(days=7)
"""Longer than any message lives."""


async def without_end(database: str) -> set[str]:
    """The notifications that the ledger in this database would count, if it were a week later now."""
    now = datetime.now(UTC)
    connection = await asyncpg.connect(database)
    try:
        rows = [
            row
            for lane in Lane
            for row in await unended(connection, lane, after=now - WEEK, until=now + WEEK)
        ]
    finally:
        await connection.close()
    return {str(row["notification_id"]) for row in rows}
