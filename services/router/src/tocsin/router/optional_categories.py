"""A promise checked at start: whoever may switch a category off has a page to do it on."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.router.tables import categories
from tocsin.runtime import OperatorError


async def require_unsubscribe_page(engine: AsyncEngine, *, public_url: str | None) -> None:
    """Raise OperatorError when recipients may switch a category off and there is no public address for the page."""
    if public_url is not None:
        return
    optional = select(categories.c.tenant, categories.c.key).where(categories.c.default != "required")
    async with engine.connect() as db:
        category = (await db.execute(optional.limit(1))).first()
    if category is not None:
        raise OperatorError(
            f"The category {category.key} of tenant {category.tenant} may be switched off by recipients: "
            "set PUBLIC_URL and ROUTER_UNSUBSCRIBE_KEYS, so that messages can carry a link for it."
        )
