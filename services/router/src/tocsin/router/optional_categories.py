"""A promise checked at start: whoever may switch a category off has a page to do it on."""

import asyncio
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.router.tables import categories
from tocsin.runtime import NeedsOperator


class UnsubscribePage:
    """Component: refuses to start with categories that recipients may switch off and no public address."""

    name: Final = "unsubscribe page"

    def __init__(self, *, engine: AsyncEngine, public_url: str | None) -> None:
        self._engine = engine
        self._public_url = public_url

    async def open(self) -> None:
        """Return when the promise holds; else NeedsOperator."""
        if self._public_url is not None:
            return
        optional = select(categories.c.tenant, categories.c.key).where(categories.c.default != "required")
        async with self._engine.connect() as db:
            found = (await db.execute(optional.limit(1))).first()
        if found is not None:
            raise NeedsOperator(
                f"The category {found.key} of tenant {found.tenant} may be switched off by recipients: "
                "set PUBLIC_URL and ROUTER_UNSUBSCRIBE_KEYS, so that messages can carry a link for it."
            )

    async def run(self, stop: asyncio.Event) -> None:
        """From now on the API holds the promise, when categories are saved."""
        await stop.wait()

    async def close(self) -> None:
        """Nothing is held."""
