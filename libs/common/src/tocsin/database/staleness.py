"""Which pooled connections are given out: none that is known to be dead, and none unasked that has rested for long.

SQLAlchemy's own check asks the server at every checkout, in three round trips. asyncpg learns of a closed connection by
itself, a restarted server's included; only a peer that vanished without a word has to be asked about.
"""

from typing import Any, Final

from sqlalchemy import Pool, event
from sqlalchemy.exc import DisconnectionError

from tocsin.database.reach import AWAY
from tocsin.runtime import Clock

RESTED: Final = 5.0
"""Seconds unused after which a connection is asked before it is given out."""

_USED: Final = "tocsin_used_at"


def replace_stale(pool: Pool, *, clock: Clock) -> None:
    """Let `pool` replace what is dead or does not answer before anybody gets it."""

    def returned(_connection: Any, entry: Any) -> None:
        entry.info[_USED] = clock.monotonic()

    def given_out(connection: Any, entry: Any, _proxy: Any) -> None:
        used = entry.info.get(_USED)
        if used is None:
            return  # just opened
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed it")
        if clock.monotonic() - used >= RESTED:
            _ask(connection)

    event.listen(pool, "checkin", returned)
    event.listen(pool, "checkout", given_out)


def _ask(connection: Any) -> None:
    try:
        connection.ping()
    except (*AWAY, connection.dbapi.Error) as error:
        raise DisconnectionError("it does not answer") from error
