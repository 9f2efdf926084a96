"""`/v1/inbox`: what recipients see and change of their own box, with a token that their tenant has signed."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query

from tocsin.dispatch_inapp.changing_items import ChangingItems
from tocsin.dispatch_inapp.item_rows import StoredItem
from tocsin.dispatch_inapp.item_state import ItemChange
from tocsin.dispatch_inapp.reading_items import ItemFilter, ReadingItems
from tocsin.dispatch_inapp.responses import (
    CountsBody,
    ItemBody,
    ItemPage,
    ItemWrite,
    SeenWrite,
    counts_body,
    item_body,
)
from tocsin.runtime import Clock
from tocsin.trust import TokenHolder
from tocsin.web import PagingQuery, Problem, RecipientCaller, codes

ItemPath = Annotated[
    str, Path(max_length=100, description="The item's id", json_schema_extra={"format": "uuid"})
]
ActionPath = Annotated[
    str,
    Path(
        max_length=100,
        description="The action's name",
        json_schema_extra={"pattern": "^[a-z0-9_-]{1,32}$"},
    ),
]
After = Annotated[
    int | None,
    Query(
        ge=0,
        le=2**63 - 1,
        description="For asking again and again: items with greater numbers, the oldest first. Not with `cursor`",
    ),
]
Changed = Callable[[TokenHolder, list[UUID]], None]
"""Told of the items that a recipient has changed, once that is committed."""

_ITEM: Final = "Your box has no item of this id."


def reading_routes(*, reading: ReadingItems, clock: Clock) -> APIRouter:
    """The routes that change nothing."""
    router = APIRouter(tags=["Inbox"])

    @router.get("/v1/inbox/items", response_model_exclude_none=True)
    async def list_items(
        *,
        holder: RecipientCaller,
        paging: PagingQuery,
        unread: Annotated[bool, Query(description="Only what is not read")] = False,
        archived: Annotated[bool, Query(description="What is archived, and nothing else")] = False,
        category: Annotated[
            str | None, Query(max_length=256, description="Only items of this category")
        ] = None,
        after: After = None,
    ) -> ItemPage:
        """The recipient's items, the newest first; with `after` the oldest first."""
        shown = ItemFilter(archived=archived, unread=unread, category=category)
        now, number = clock.now(), paging.number
        if after is None:
            items = await reading.newest(
                holder.tenant, holder.recipient, shown, now=now, before=number, limit=paging.fetch
            )
            page, cursor = paging.page(items, key=lambda item: [item.seq])
            return ItemPage(
                data=[item_body(item) for item in page], next_cursor=cursor, has_more=cursor is not None
            )
        if number is not None:
            raise Problem(
                codes.INVALID_REQUEST, "Give `after` or `cursor`: the last item's `seq` is the next `after`."
            )
        items = await reading.after(
            holder.tenant, holder.recipient, shown, now=now, after=after, limit=paging.fetch
        )
        return ItemPage(
            data=[item_body(item) for item in items[: paging.limit]], has_more=len(items) > paging.limit
        )

    @router.get("/v1/inbox/counts")
    async def read_counts(holder: RecipientCaller) -> CountsBody:
        """How many items are not seen and not read, for the number on a bell."""
        return counts_body(await reading.counts(holder.tenant, holder.recipient))

    return router


def changing_routes(
    *, reading: ReadingItems, changing: ChangingItems, on_change: Changed, clock: Clock
) -> APIRouter:
    """The routes by which a recipient changes their box."""
    router = APIRouter(tags=["Inbox"])

    @router.post("/v1/inbox/items/seen")
    async def see_items(holder: RecipientCaller, body: SeenWrite) -> CountsBody:
        """Everything up to this number is seen, as when somebody opens their box."""
        seen = await changing.see_until(holder.tenant, holder.recipient, body.until, at=clock.now())
        if seen:
            on_change(holder, seen)
        return counts_body(await reading.counts(holder.tenant, holder.recipient))

    @router.patch("/v1/inbox/items/{item}", response_model_exclude_none=True)
    async def change_item(holder: RecipientCaller, item: ItemPath, body: ItemWrite) -> ItemBody:
        """The item is seen, read or archived, or no longer. Doing it again changes nothing."""
        change = ItemChange(seen=body.seen is True, read=body.read, archived=body.archived)
        return item_body(await changed_item(holder, item, change))

    @router.post("/v1/inbox/items/{item}/actions/{action}", response_model_exclude_none=True)
    async def click_action(holder: RecipientCaller, item: ItemPath, action: ActionPath) -> ItemBody:
        """The recipient has clicked an action of the item, which is read with that."""
        return item_body(await changed_item(holder, item, ItemChange(action=action)))

    async def changed_item(holder: TokenHolder, item: str, change: ItemChange) -> StoredItem:
        """What is another's, is gone, or never was, cannot be told apart."""
        item_id = _uuid(item)
        stored = await changing.change(holder.tenant, holder.recipient, item_id, change, at=clock.now())
        if stored is None:
            raise Problem(codes.NOT_FOUND, _ITEM)
        on_change(holder, [item_id])
        return stored

    return router


def _uuid(item: str) -> UUID:
    try:
        return UUID(item)
    except ValueError:
        raise Problem(codes.NOT_FOUND, _ITEM) from None
