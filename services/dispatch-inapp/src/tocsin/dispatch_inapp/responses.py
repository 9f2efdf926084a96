"""What the API of inboxes answers and takes."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from tocsin.dispatch_inapp.item_rows import Counts, StoredItem
from tocsin.web import RequestBody
from tocsin.web.paging import Cursor

Sequence = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""The number of an item in its box."""


class ActionBody(BaseModel):
    """What a recipient can do with an item."""

    name: str
    label: str
    url: str | None = None


class ClickedBody(BaseModel):
    """The last action that was clicked."""

    action: str
    at: datetime


class ItemBody(BaseModel):
    """One item. What it does not have is left out."""

    id: str
    seq: int = Field(description="Its number in the box; what is stored later has a greater one")
    category: str
    title: str
    body: str
    link: str | None = None
    icon: str | None = None
    data: dict[str, str]
    actions: list[ActionBody]
    created_at: datetime
    expires_at: datetime | None = None
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None
    clicked: ClickedBody | None = None


class ItemPage(BaseModel):
    """One page of items."""

    data: list[ItemBody]
    next_cursor: Cursor | None = Field(
        default=None, description="`cursor` for the next page; null on the last"
    )
    has_more: bool = Field(description="Whether another page follows")


class CountsBody(BaseModel):
    """How many items the recipient has not seen and not read, without archived ones; and the number of the last item."""

    unseen: int
    unread: int
    last_seq: int


class ItemWrite(RequestBody):
    """What to change; at least one."""

    seen: bool | None = Field(default=None, description="`true`: seen. Nothing makes it unseen again")
    read: bool | None = Field(default=None, description="Read, which is seen, too; or not read any more")
    archived: bool | None = Field(default=None, description="Archived, or back among the others")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.seen is None and self.read is None and self.archived is None:
            raise ValueError("Say what to change: `seen`, `read` or `archived`")
        if self.seen is False:
            raise ValueError("An item cannot become unseen: `seen` may only be true")
        return self


class SeenWrite(RequestBody):
    """Up to where the recipient has seen their items."""

    until: Sequence = Field(description="The number of the last item that is seen, itself among them")


def item_body(item: StoredItem) -> ItemBody:
    """The item as the API shows it."""
    content, state = item.content, item.state
    clicked = None
    if state.clicked_at is not None and state.clicked_action is not None:
        clicked = ClickedBody(action=state.clicked_action, at=state.clicked_at)
    return ItemBody(
        id=str(item.id),
        seq=item.seq,
        category=item.category,
        title=content.title,
        body=content.body,
        link=content.link,
        icon=content.icon,
        data=content.data,
        actions=[ActionBody(name=each.name, label=each.label, url=each.url) for each in content.actions],
        created_at=item.created_at,
        expires_at=item.expires_at,
        seen_at=state.seen_at,
        read_at=state.read_at,
        archived_at=state.archived_at,
        clicked=clicked,
    )


def counts_body(counts: Counts) -> CountsBody:
    """The counts as the API shows them."""
    return CountsBody(unseen=counts.unseen, unread=counts.unread, last_seq=counts.last_seq)
