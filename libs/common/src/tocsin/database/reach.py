"""Whether PostgreSQL answers, and what it means when it does not."""

import asyncio
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.database.settings import DatabaseSettings
from tocsin.runtime import OperatorError

AWAY: Final = (
    OSError,
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg 0.32, of a session that is ended just before its next statement
    TimeoutError,
)
"""Errors of a database that is not up, is starting, or is out of reach for now: worth waiting for."""

_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)


async def reach(engine: AsyncEngine, settings: DatabaseSettings) -> None:
    """Return when PostgreSQL answers. Raises one of `AWAY`, or `OperatorError` when it refuses the login."""
    try:
        async with asyncio.timeout(settings.connect_timeout + settings.pool_timeout):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
    except AWAY as error:
        if isinstance(_driver_error(error), _REFUSED):
            raise OperatorError(
                f"{settings.place} refuses the login: correct the user in DATABASE_URL, and the password there or in DATABASE_PASSWORD."
            ) from error
        raise


def _driver_error(error: BaseException) -> BaseException:
    wrapped = getattr(error, "orig", None)
    return (wrapped.__cause__ or wrapped) if isinstance(wrapped, BaseException) else error
