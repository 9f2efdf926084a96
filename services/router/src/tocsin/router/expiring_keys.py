"""API keys that will soon work no more, and that nobody has replaced: a producer whose key ends can send nothing."""

import asyncio
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.database.reach import AWAY
from tocsin.observability import metrics
from tocsin.runtime import every

LOOK_EVERY: Final = 60.0
WITHIN_DAYS: Final = {"1d": 1, "7d": 7, "30d": 30}
_EXPIRING: Final = text(
    """
SELECT days, count(k.id) FROM unnest(CAST(:days AS int[])) AS days LEFT JOIN directory.api_keys k
  ON k.revoked_at IS NULL AND k.expires_at > now() AND k.expires_at <= now() + make_interval(days => days)
  AND NOT EXISTS (
    SELECT 1 FROM directory.api_keys s WHERE s.tenant = k.tenant AND s.replaces = k.id
    AND s.revoked_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > k.expires_at)
  )
GROUP BY days
"""
)


async def watch_expiring_keys(engine: AsyncEngine, stop: asyncio.Event) -> None:
    """Show how many there are, once a minute until `stop`. While the database is away, what was seen last stays."""

    async def look() -> None:
        await show_expiring_keys(engine)

    await look()
    await every(LOOK_EVERY, look, stop=stop)


async def show_expiring_keys(engine: AsyncEngine) -> None:
    """Once."""
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(_EXPIRING, {"days": list(WITHIN_DAYS.values())})
            counts = {row[0]: row[1] for row in rows}
    except AWAY:
        return  # the database has a readiness check of its own
    for within, days in WITHIN_DAYS.items():
        metrics.api_keys_expiring.labels(within).set(counts[days])
