"""One request, one transaction: begun before the handler, committed after it and before the answer is sent."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


async def _transaction(request: Request) -> AsyncIterator[AsyncConnection]:
    engine: AsyncEngine | None = request.app.state.engine
    if engine is None:
        raise RuntimeError("This application was made to be described, not to be called: it has no database.")
    async with engine.begin() as connection:
        yield connection


Db = Annotated[AsyncConnection, Depends(_transaction, scope="function")]
"""A connection inside the request's transaction; whatever the handler raises rolls it back."""
