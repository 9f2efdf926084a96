"""Whoever waits for a session that hangs is freed, and it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.log_lines import lines_of

from tocsin.database import Database
from tocsin.ledger.hung_owners import ending_hung_owners


class Waiting:
    """A connection."""

    def get_server_pid(self) -> int:
        return 7


class FreesAtOnce:
    """A database that has freed who waits before it answers who asked for it."""

    def __init__(self) -> None:
        self.freed = asyncio.Event()

    @asynccontextmanager
    async def driver(self) -> AsyncIterator["FreesAtOnce"]:
        yield self

    async def fetch(self, _statement: str, waiting: int) -> list[int]:
        assert waiting == 7
        self.freed.set()
        await asyncio.sleep(0.01)  # the body ends first
        return [1]


async def test_it_is_told_also_when_who_waited_is_through_before_the_answer() -> None:
    database = FreesAtOnce()
    with lines_of("ledger") as out:
        async with ending_hung_owners(cast("Database", database), cast("Any", Waiting()), after=0.001):
            await database.freed.wait()
    assert "ended the session of a ledger" in out.getvalue()


async def test_nobody_is_asked_for_where_nobody_waits() -> None:
    database = FreesAtOnce()
    async with ending_hung_owners(cast("Database", database), cast("Any", Waiting())):
        pass
    assert not database.freed.is_set()
