"""Whether a change is in force: whether the relay has published what it left in the outbox.

The relay says on a channel of PostgreSQL which rows it has published, in the transaction that deletes them. Each process that
changes something listens there, so it plays no part in which process the relay runs.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.database.reach import AWAY
from tocsin.observability import get_logger
from tocsin.router.tables import outbox
from tocsin.runtime.tasks import first_of

log = get_logger(__name__)

PUBLISHED: Final = "tocsin_published"
"""The channel on which the relay says what became of rows: `messages`."""
MOST_TOLD: Final = 200
"""Rows that one message names: PostgreSQL takes less than 8,000 bytes of it."""
PATIENCE: Final = 2.0
"""Seconds after its commit within which a change is in force, or is answered as not in force yet."""
LOOK: Final = 0.5
"""Seconds between two looks into the outbox while somebody waits: they find what was said while nobody listened."""
ANSWER: Final = 2.0
"""Seconds within which PostgreSQL answers such a look; else the listener connects anew."""


def messages(published: Mapping[int, bool]) -> list[str]:
    """What the relay says of these rows: their numbers, with a minus sign where it was not published and never will be."""
    numbers = [str(row if done else -row) for row, done in published.items()]
    return [",".join(numbers[begin : begin + MOST_TOLD]) for begin in range(0, len(numbers), MOST_TOLD)]


class Change:
    """The rows of the outbox that one transaction has left, or found of an equal change before it."""

    def __init__(self, rows: Iterable[int]) -> None:
        self.waits_for = set(rows)
        self.committed = False
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def row_is_gone(self, row: int, *, published: bool) -> None:
        """Take one row off; the last one answers, and so does the first that was not published."""
        self.waits_for.discard(row)
        if not self.answered.done() and (not published or not self.waits_for):
            self.answered.set_result(published)


class ChangesInForce:
    """Component: `expect` a change before its commit, `wait` for it after its connection was given back.

    While PostgreSQL is away nothing is known to be in force, and whoever waits is told so after `PATIENCE`.
    """

    name: Final = "changes in force"

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine
        self._by_row: dict[int, set[Change]] = {}

    async def open(self) -> None:
        """Nothing is held before `run`."""

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, over a connection that is kept."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except AWAY as error:
                log.warning("not listening to the relay", reason=type(error).__name__)
            await first_of(stop.wait(), seconds=LOOK)

    async def close(self) -> None:
        """Nothing is held beyond `run`."""

    def expect(self, rows: Iterable[int]) -> Change:
        """A change of these rows. Those that it has left itself nobody else can see yet, so their publication cannot be missed; that
        of others is found by a look into the outbox. `wait` for it, or `forget` it."""
        change = Change(rows)
        for row in change.waits_for:
            self._by_row.setdefault(row, set()).add(change)
        return change

    async def wait(self, change: Change) -> bool:
        """Whether the change, now committed, came into force within `PATIENCE`."""
        change.committed = True
        try:
            async with asyncio.timeout(PATIENCE):
                return await change.answered
        except TimeoutError:
            return False
        finally:
            self.forget(change)

    def forget(self, change: Change) -> None:
        """Nobody waits for it any more."""
        for row in change.waits_for:
            waiting = self._by_row.get(row, set())
            waiting.discard(change)
            if not waiting:
                self._by_row.pop(row, None)

    async def _listen(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until the connection is lost."""
        lost = asyncio.Event()
        async with self._engine.connect() as connection:
            try:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                driver.add_termination_listener(lambda _: lost.set())
                await driver.add_listener(PUBLISHED, self._hear)
                while not (stop.is_set() or lost.is_set()):
                    async with asyncio.timeout(ANSWER):
                        await self._look(connection)
                    await first_of(stop.wait(), lost.wait(), seconds=LOOK)
            finally:
                await connection.invalidate()  # the pool would keep it listening

    def _hear(self, _driver: Any, _pid: int, _channel: str, rows: str) -> None:
        for row in map(int, rows.split(",")):
            self._row_is_gone(abs(row), published=row > 0)

    async def _look(self, connection: AsyncConnection) -> None:
        """What of the committed changes is in the outbox no more was published."""
        committed = [
            row for row, changes in self._by_row.items() if any(change.committed for change in changes)
        ]
        if not committed:
            return
        async with connection.begin():
            # One array: an address that many share leaves more rows than a statement may have parameters.
            asked = any_(cast(committed, ARRAY(BigInteger)))
            rows = await connection.execute(select(outbox.c.id).where(outbox.c.id == asked))
            left = set(rows.scalars())
        for row in committed:
            if row not in left:
                self._row_is_gone(row, published=True)

    def _row_is_gone(self, row: int, *, published: bool) -> None:
        for change in self._by_row.pop(row, ()):
            change.row_is_gone(row, published=published)
