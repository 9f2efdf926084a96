"""Day partitions: made ahead, made when a record needs one, and dropped when they are too old."""

import asyncio
import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

import asyncpg

from tocsin.database import Database
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES
from tocsin.observability import get_logger
from tocsin.runtime import Clock, every

log = get_logger(__name__)

TABLES: Final = (STATUSES.name, DEAD_LETTERS.name)
AHEAD_DAYS: Final = 2
PERIOD: Final = 600.0
"""Seconds between two rounds. Days are made two ahead, so that many rounds may fail."""

# One process at a time; the lock is held to the end of the transaction.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tocsin.ledger.days', 0))"
_PARENTS = ", ".join(f"'ledger.{table}'::regclass" for table in TABLES)
_EXISTING = f"""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent IN ({_PARENTS})
"""  # noqa: S608 - names from this package
_match_name = re.compile(rf"(?:{'|'.join(TABLES)})_(\d{{4}})(\d\d)(\d\d)").fullmatch


class DayPartitions:
    """A component: keeps the partitions from `retention_days` ago to two days ahead. Days are UTC."""

    name: Final = "day partitions"

    def __init__(self, *, database: Database, clock: Clock, retention_days: int) -> None:
        self._database = database
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._known: set[date] = set()

    async def open(self) -> None:
        """Make the days ahead."""
        await self.ensure(self._ahead())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, every ten minutes: make days ahead, drop the old ones."""
        await self._look_after()
        await every(PERIOD, self._look_after, stop=stop)

    async def close(self) -> None:
        """Nothing to do: no connection is held."""

    async def _look_after(self) -> None:
        try:
            await self.ensure(self._ahead())
            dropped = await self.drop_old()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # What is missing is made when a record needs it, and the database has a readiness check of its own.
            log.warning("partitions not looked after; trying again later", error=type(error).__name__)
            return
        if dropped:
            log.info("dropped old partitions", partitions=dropped)

    async def ensure(self, days: Iterable[date]) -> None:
        """Make the partitions of these days where they are missing."""
        missing = sorted(set(days) - self._known)
        if not missing:
            return
        async with self._database.driver() as connection, connection.transaction():
            await connection.execute(_LOCK)
            for day in missing:
                for table in TABLES:
                    await connection.execute(_create(table, day))
        self._known |= set(missing)

    async def drop_old(self) -> list[str]:
        """Drop what is older than the retention; the names of what was dropped."""
        first = self._clock.now().date() - self._retention
        async with self._database.driver() as connection, connection.transaction():
            # To drop a partition locks the whole table. If a long query is in the way, the next round drops it.
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            await connection.execute(_LOCK)
            names = [row["relname"] for row in await connection.fetch(_EXISTING)]
            old = sorted(name for name in names if (_day_of(name) or first) < first)
            for name in old:
                await connection.execute(f'DROP TABLE ledger."{name}"')
        self._known = {day for day in self._known if day >= first}
        return old

    def _ahead(self) -> list[date]:
        today = self._clock.now().date()
        return [today + timedelta(days=number) for number in range(AHEAD_DAYS + 1)]


def _create(table: str, day: date) -> str:
    # The name is made of a table's name and a date, so nothing has to be quoted.
    name = f"ledger.{table}_{day:%Y%m%d}"
    next_day = day + timedelta(days=1)
    return f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF ledger.{table} FOR VALUES FROM ('{day}') TO ('{next_day}')"


def _day_of(name: str) -> date | None:
    match = _match_name(name)
    return None if match is None else date(*map(int, match.groups()))
