"""The item that a job becomes."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from tocsin.contracts.actions import InboxAction
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import InappContent, Job


class ItemContent(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What the app is shown of an item, beside its id, its number and its times."""

    title: str
    body: str
    link: str | None = None
    icon: str | None = None
    data: dict[str, str] = {}
    actions: list[InboxAction] = []


class AboutDelivery(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What the statuses of a delivery repeat, kept beside its item for those that come later."""

    notification_id: str
    workflow: str
    step: str
    lane: str
    address_key: str
    address_hash: str
    provider: str
    origin: str
    event_source: str
    event_id: str
    traceparent: str | None = None


class NewItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row to be stored."""

    tenant: str
    recipient: str
    id: UUID
    category: str
    content: str
    about: str
    expires_at: datetime | None
    remove_at: datetime

    @property
    def key(self) -> tuple[str, str, UUID]:
        """The item's primary key."""
        return self.tenant, self.recipient, self.id


def new_item(job: Job, content: InappContent, *, provider: str, now: datetime, keep: timedelta) -> NewItem:
    """The row of this job. An item is removed when it is older than `keep`, and sooner where its producer has said when it expires.

    Raises ValueError for a job whose ids are none.
    """
    shown = ItemContent(
        title=content.title,
        body=content.body,
        link=content.link or job.intent.private.link,
        icon=content.icon,
        data=content.data,
        actions=content.actions,
    )
    about = AboutDelivery(
        notification_id=job.notification_id,
        workflow=job.workflow,
        step=job.step,
        lane=job.lane,
        address_key=job.address_key,
        address_hash=job.address_hash,
        provider=provider,
        origin=job.origin,
        event_source=job.intent.event_source,
        event_id=job.intent.event_id,
        traceparent=job.traceparent,
    )
    expires_at = job.intent.expires_at
    oldest = now + keep
    return NewItem(
        tenant=job.tenant,
        recipient=job.recipient,
        id=UUID(job.delivery_id),
        category=job.category,
        content=_text(shown),
        about=_text(about),
        expires_at=expires_at,
        remove_at=oldest if expires_at is None else min(expires_at, oldest),
    )


def _text(value: Any) -> str:
    return encode(value).decode()
