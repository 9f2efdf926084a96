"""What the ledger has written, seen from its tables: how far it is, and every row of the known messages."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg

LOOK_EVERY = 0.02  # seconds
QUIET = 1.0  # seconds without progress after which the ledger is taken to have ended

_POSITIONS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ledger.positions"
_WAITING = "SELECT count(*) FROM directory.outbox"
_STATUSES = """
SELECT notification_id::text || ' ' || status FROM ledger.statuses
WHERE stored_at >= $1 AND notification_id IS NOT NULL
"""
_ROWS = "SELECT count(*) FROM ledger.statuses"


class Rows:
    """One connection to the database. Use it as a context."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._url)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connection.close()

    async def version(self) -> str:
        """PostgreSQL's."""
        return str(await self._connection.fetchval("SHOW server_version"))

    async def until_published(self, *, seconds: float) -> None:
        """Returns when the router has published all of its directory; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while await self._connection.fetchval(_WAITING):  # noqa: ASYNC110 - the condition lies in another process
                await asyncio.sleep(LOOK_EVERY)

    async def progress(self, *, seconds: float, quiet: float = QUIET) -> list[tuple[float, int]]:
        """Marks (moment, sum of positions), one a move, from the last before the first move; ends after `quiet` seconds
        without one, or when the time is up. Positions move in the transaction that writes the rows."""
        marks = [(time.time(), await self._position())]
        until = time.time() + seconds
        while (now := time.time()) < until and (len(marks) == 1 or now - marks[-1][0] < quiet):
            await asyncio.sleep(LOOK_EVERY)
            position = await self._position()
            if position != marks[-1][1]:
                marks.append((time.time(), position))
            elif len(marks) == 1:
                marks[0] = (time.time(), position)
        return marks

    async def count(self) -> int:
        """Rows of statuses."""
        return int(await self._connection.fetchval(_ROWS))

    async def statuses(self, since: float) -> list[str]:
        """`<notification id> <status>` of every row about a notification that the broker stored since then."""
        moment = datetime.fromtimestamp(since, UTC)
        return [row[0] for row in await self._connection.fetch(_STATUSES, moment)]

    async def _position(self) -> int:
        return int(await self._connection.fetchval(_POSITIONS))
