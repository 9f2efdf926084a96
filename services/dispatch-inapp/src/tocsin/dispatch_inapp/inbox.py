"""The provider of this channel: PostgreSQL, where a recipient's items lie. A second send of a delivery changes nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from pydantic import Field

from tocsin.channel import Accepted, Answer, Idempotency, InstanceConfig, ProviderKind, Rejected
from tocsin.contracts.jobs import InappContent, Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE, INBOX_CONTENT_BYTES
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_inapp.answers import answer_to
from tocsin.dispatch_inapp.item_batches import MOST, ItemBatches, WaitingItem
from tocsin.dispatch_inapp.new_item import NewItem, new_item
from tocsin.observability import metrics
from tocsin.runtime import Clock

KIND: Final = "inbox"


class StoresItems(Protocol):
    """What of `ItemsTable` is used here."""

    async def store(self, items: Sequence[NewItem], *, at: datetime) -> int:
        """Store those that do not stand yet; returns how many there were."""
        ...


class TellsDelivered(Protocol):
    """What of `Delivered` is used here."""

    async def tell(self, jobs: Sequence[Job], *, provider: str, at: datetime) -> None:
        """Return once it is acknowledged."""
        ...


class InboxConfig(InstanceConfig):
    """What an instance can be told beside its name."""

    max_in_flight: int = Field(default=2 * MOST, ge=1, le=10_000)
    """Items that are being stored at once."""
    keep_days: int = Field(default=90, ge=1, le=3650)
    """Days after which an item is removed; sooner where its producer has said when it expires."""


class InboxProvider:
    """Stores items, as many together as wait; tells that they are delivered; then answers."""

    def __init__(
        self, config: InboxConfig, clock: Clock, *, items: StoresItems, delivered: TellsDelivered
    ) -> None:
        self.name = config.name
        self._clock = clock
        self._seconds = config.call_timeout
        self._keep = timedelta(days=config.keep_days)
        self._items = items
        self._delivered = delivered
        self._batches = ItemBatches(
            write=self._write, service=Channel.INAPP.dispatcher, seconds=config.call_timeout
        )
        metrics.begin_at_zero(metrics.inbox_items_stored, ("new", "repeated"))

    async def open(self) -> None:
        """Nothing to prepare: the database is a component of the process."""

    async def send(self, job: Job) -> Answer:
        """The item is stored, and `delivered` is acknowledged, or it says what went wrong."""
        content = job.private.content
        if not isinstance(content, InappContent):
            return Rejected(
                reason=Reason.CONTENT_REFUSED, detail="The content is not that of a message in the app."
            )
        try:
            item = new_item(job, content, provider=self.name, now=self._clock.now(), keep=self._keep)
        except ValueError:
            detail = "The delivery's id is no UUID, or its text is none."
            return Rejected(reason=Reason.CONTENT_REFUSED, code="not_an_item", detail=detail)
        try:
            async with asyncio.timeout(self._seconds):
                await self._batches.put(job, item)
        except Exception as error:  # noqa: BLE001 - what is not known is raised again there
            return answer_to(error)
        return Accepted(message_id=job.delivery_id)

    async def close(self) -> None:
        """Wait for the batches under way."""
        await self._batches.close()

    async def _write(self, batch: Sequence[WaitingItem]) -> None:
        at = self._clock.now()
        new = await self._items.store([entry.item for entry in batch], at=at)
        metrics.inbox_items_stored.labels("new").inc(new)
        metrics.inbox_items_stored.labels("repeated").inc(len(batch) - new)
        await self._delivered.tell([entry.job for entry in batch], provider=self.name, at=at)


def kinds_for(make: Callable[[InboxConfig, Clock], InboxProvider]) -> Mapping[str, ProviderKind[Any]]:
    """The adapters of this dispatcher: one."""
    kind = ProviderKind(
        config=InboxConfig,
        create=make,
        idempotency=Idempotency.ONCE,
        title="Tocsin's own inbox",
        limit=f"{INBOX_CONTENT_BYTES // 1024} KiB an item",
        actions=f"{ACTIONS_PER_MESSAGE} buttons",
    )
    return {KIND: kind}
