"""What ledger and scheduler have written, seen from their tables: how far they are, and every row of the known messages."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg

from tocsin.contracts.vocabulary import Channel

LOOK_EVERY = 0.02  # seconds
FOREVER = datetime.max.replace(tzinfo=UTC)
QUIET = 1.0  # seconds without progress after which the ledger is taken to have ended

_POSITIONS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.positions"
_WAITING = "SELECT count(*) FROM directory.outbox"
_STATUSES = """
SELECT notification_id::text || ' ' || status || ' ' || coalesce(channel, '-') FROM ledger.statuses
WHERE stored_at >= $1 AND notification_id IS NOT NULL
"""
_ROWS = "SELECT count(*) FROM ledger.statuses"
_TIMERS = "SELECT count(*) FROM scheduler.timers WHERE due < $1"


def rows_of(notifications: Iterable[str], channels: Sequence[Channel] = (Channel.EMAIL,)) -> list[str]:
    """What `Rows.statuses` says of notifications that were decided and sent on each of these channels."""
    ends = ["decided -", *(f"sent {channel}" for channel in channels)]
    return [f"{notification} {end}" for notification in notifications for end in ends]


class Rows:
    """One connection to the database, for the positions of one schema. Use it as a context."""

    def __init__(self, url: str, *, schema: str = "ledger") -> None:
        self._url = url
        self._positions = _POSITIONS.format(schema=schema)
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

    async def position(self) -> int:
        """The sum of all positions: it moves by at least one a row, in the transaction that writes the row."""
        return int(await self._connection.fetchval(self._positions))

    async def progress(self, start: int, *, wanted: int, patience: float) -> list[tuple[float, int]]:
        """Marks (moment, position), one a move, from the last look at which the position still was `start`.

        Ends when the position has moved by `wanted` and rests, or has not moved for `patience` seconds.
        """
        marks = [(time.time(), start)]
        moved = time.time()
        while time.time() - moved < (patience if marks[-1][1] - start < wanted else QUIET):
            now, position = time.time(), await self.position()
            if position != marks[-1][1]:
                moved = now
                marks.append((now, position))
            elif len(marks) == 1:
                marks[0] = (now, start)
            await asyncio.sleep(LOOK_EVERY)
        return marks

    async def count(self) -> int:
        """Rows of statuses."""
        return int(await self._connection.fetchval(_ROWS))

    async def timers(self, *, due_before: datetime = FOREVER) -> int:
        """Timers that wait until then at most."""
        return int(await self._connection.fetchval(_TIMERS, due_before))

    async def settle_timers(self) -> None:
        """Do now what the database would do later for the rows that were written."""
        await self._connection.execute("VACUUM (ANALYZE) scheduler.timers")
        await self._connection.execute("CHECKPOINT")

    async def until_timers(self, count: int, *, due_before: datetime, seconds: float) -> None:
        """Returns when there are so many; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while await self.timers(due_before=due_before) != count:  # noqa: ASYNC110 - the condition lies in another process
                await asyncio.sleep(LOOK_EVERY)

    async def statuses(self, since: float) -> list[str]:
        """`<notification id> <status> <channel>` of every row about a notification that the broker stored since then."""
        moment = datetime.fromtimestamp(since, UTC)
        return [row[0] for row in await self._connection.fetch(_STATUSES, moment)]
