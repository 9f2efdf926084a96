"""A box as it moves: events, the same for each way in which they are told."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from tocsin.dispatch_inapp.item_rows import Counts
from tocsin.dispatch_inapp.live_boxes import Watcher, Watchers
from tocsin.dispatch_inapp.reading_items import ItemFilter, ReadingItems
from tocsin.dispatch_inapp.responses import counts_body, item_body
from tocsin.dispatch_inapp.turns import Turns
from tocsin.runtime import Clock
from tocsin.trust import TokenHolder

ALIVE_SECONDS: Final = 15.0
AT_ONCE: Final = 100
"""Items that are read together when a stream catches up."""
_ALL: Final = ItemFilter()


class BoxEvent(NamedTuple):
    """One event. `data` is JSON on one line; `id` is the number of an item that is new."""

    name: str
    data: str
    id: int | None = None


EXPIRED: Final = BoxEvent("expired", "{}")


class EventStreams:
    """Streams of boxes: what was missed is read from the tables, so a stream that begins again at a number misses and repeats nothing."""

    def __init__(self, *, reading: ReadingItems, watchers: Watchers, turns: Turns, clock: Clock) -> None:
        self._reading = reading
        self._watchers = watchers
        self._turns = turns
        self._clock = clock

    async def events(self, holder: TokenHolder, *, after: int | None) -> AsyncGenerator[BoxEvent | None]:
        """Until the token expires, the process stops, or the caller leaves; None where there was nothing for `ALIVE_SECONDS`.

        Without `after` it begins with what comes next.
        """
        with self._watching(holder) as watcher:
            counts = await self._counts(holder)
            last = counts.last_seq if after is None else after
            yield _event("counts", counts_body(counts))
            moved = after is not None
            while True:
                if moved:
                    async for seq, event in self._new_items(holder, last):
                        last = seq
                        yield event
                    for event in await self._changed(holder, watcher):
                        yield event
                    yield _event("counts", counts_body(await self._counts(holder)))
                seconds = (holder.expires_at - self._clock.now()).total_seconds()
                if seconds <= 0:
                    yield EXPIRED
                    return
                moved = await watcher.until_moved(seconds=min(ALIVE_SECONDS, seconds))
                if watcher.ended:
                    return
                if not moved:
                    yield None

    async def _new_items(self, holder: TokenHolder, last: int) -> AsyncIterator[tuple[int, BoxEvent]]:
        while True:
            async with self._turns:
                items = await self._reading.after(
                    holder.tenant, holder.recipient, _ALL, now=self._clock.now(), after=last, limit=AT_ONCE
                )
            for item in items:
                yield item.seq, _event("item", item_body(item), id_=item.seq)
            if len(items) < AT_ONCE:
                return
            last = items[-1].seq

    async def _changed(self, holder: TokenHolder, watcher: Watcher) -> list[BoxEvent]:
        ids = [UUID(item) for item in watcher.changed()]
        if not ids:
            return []
        async with self._turns:
            items = await self._reading.of_ids(holder.tenant, holder.recipient, ids, now=self._clock.now())
        return [_event("changed", item_body(item)) for item in items]

    async def _counts(self, holder: TokenHolder) -> Counts:
        async with self._turns:
            return await self._reading.counts(holder.tenant, holder.recipient)

    @contextmanager
    def _watching(self, holder: TokenHolder) -> Iterator[Watcher]:
        watcher = self._watchers.watch(holder.tenant, holder.recipient)
        try:
            yield watcher
        finally:
            self._watchers.leave(holder.tenant, holder.recipient, watcher)


def _event(name: str, body: BaseModel, *, id_: int | None = None) -> BoxEvent:
    return BoxEvent(name, body.model_dump_json(exclude_none=True), id_)
