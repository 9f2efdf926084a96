"""Ends the database session of a former owner that hangs, so that who follows does not wait for it.

None of PostgreSQL's timeouts ends a COPY whose client is silent, and a process that is frozen in the midst of one holds the position's row.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from tocsin.database import Database
from tocsin.observability import get_logger
from tocsin.runtime.tasks import end_all, first_of

log = get_logger(__name__)

HUNG: Final = 20.0
"""Seconds for which a ledger may hold what another waits for: a batch takes a tenth of one. Below the default of DATABASE_STATEMENT_TIMEOUT."""
TO_TELL: Final = 1.0
"""Seconds that a database has to answer when what was waited for is there."""
_END = """
SELECT pg_terminate_backend(a.pid) FROM unnest(pg_blocking_pids($1)) AS blocking (pid) JOIN pg_stat_activity a USING (pid)
WHERE a.application_name = current_setting('application_name') AND (a.query LIKE 'COPY %' OR a.state = 'idle in transaction')
"""
"""Sessions of ledgers alone: a migration is left to its end."""


@asynccontextmanager
async def ending_hung_owners(
    database: Database, connection: Any, *, after: float = HUNG
) -> AsyncIterator[None]:
    """While the body waits for a lock on `connection` for longer than `after` seconds, the ledger's session that holds it is ended: its
    transaction is rolled back, and whoever it belongs to finds its session gone. The position's row decides who goes on."""
    over = asyncio.Event()
    ending = asyncio.create_task(_end(database, connection.get_server_pid(), after, over))
    try:
        yield
    finally:
        over.set()
        # Who has just been freed by it comes here before it has told so.
        await asyncio.wait([ending], timeout=TO_TELL)
        await end_all([ending])


async def _end(database: Database, waiting: int, after: float, over: asyncio.Event) -> None:
    while True:
        await first_of(over.wait(), seconds=after)
        if over.is_set():
            return
        try:
            async with database.driver() as connection:
                ended = await connection.fetch(_END, waiting)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("could not end the session that is waited for", error=type(error).__name__)
            continue
        if ended:
            log.warning("ended the session of a ledger that held rows and did not go on", sessions=len(ended))
