"""One request, one transaction: begun before the handler, committed after it and before the answer is sent."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.router.changes import noted_rows
from tocsin.router.in_force import Change, ChangesInForce


async def _transaction(request: Request) -> AsyncIterator[AsyncConnection]:
    engine: AsyncEngine | None = request.app.state.engine
    if engine is None:
        raise RuntimeError("This application was made to be described, not to be called: it has no database.")
    changes: ChangesInForce | None = request.app.state.changes
    change: Change | None = None
    async with engine.connect() as connection:
        rows = await noted_rows(connection)
        try:
            async with connection.begin():
                yield connection
                if rows and changes is not None:
                    change = changes.expect(rows)
        except BaseException:
            if change is not None and changes is not None:
                changes.forget(change)
            raise
    request.state.change = change  # `AnswerInForce` waits for it
    for call in getattr(request.state, "once_committed", ()):
        call()


def once_committed(request: Request, call: Callable[[], None]) -> None:
    """Call it when the request's transaction has been committed; never, when it is rolled back."""
    request.state.once_committed = [*getattr(request.state, "once_committed", ()), call]


Db = Annotated[AsyncConnection, Depends(_transaction, scope="function")]
"""A connection inside the request's transaction; whatever the handler raises rolls it back."""
