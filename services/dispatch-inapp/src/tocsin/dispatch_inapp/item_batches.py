"""Items that wait at the same time are stored together: a transaction costs the same for one and for hundreds."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Lane
from tocsin.dispatch_inapp.new_item import NewItem
from tocsin.observability import metrics
from tocsin.runtime.tasks import until_ended

MOST: Final = 200
"""Items of one transaction: it holds their boxes for some ten milliseconds."""
REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL says of a row that it will never take."""


@dataclass(frozen=True, slots=True, eq=False)
class WaitingItem:
    """An item, its job, and whoever waits for it."""

    job: Job
    item: NewItem
    done: "asyncio.Future[None]"


class ItemBatches:
    """Batches of each lane of their own, so that a critical item waits for no bulk one; a lane's go one after the other.

    `write` stores a batch and tells of it, within `seconds`.
    """

    def __init__(
        self, *, write: Callable[[Sequence[WaitingItem]], Awaitable[None]], service: str, seconds: float
    ) -> None:
        self._write = write
        self._seconds = seconds
        self._waiting: dict[Lane, deque[WaitingItem]] = {lane: deque() for lane in Lane}
        self._writers: dict[Lane, asyncio.Task[None]] = {}
        self._sizes = {lane: metrics.batch_records.labels(service, lane) for lane in Lane}

    async def put(self, job: Job, item: NewItem) -> None:
        """Return when the item is stored and told of. Raises what the batch has raised; of a refused item its own error."""
        done = asyncio.get_running_loop().create_future()
        self._waiting[job.lane].append(WaitingItem(job, item, done))
        if job.lane not in self._writers:
            task = asyncio.create_task(self._run(job.lane), name=f"items of {job.lane}")
            self._writers[job.lane] = task
        await done

    async def close(self) -> None:
        """Wait for the batches under way."""
        await until_ended(list(self._writers.values()))

    async def _run(self, lane: Lane) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting:
                batch = self._next(waiting)
                if batch:
                    self._sizes[lane].observe(len(batch))
                    await self._write_or_tell_why(batch)
        finally:
            del self._writers[lane]

    @staticmethod
    def _next(waiting: deque[WaitingItem]) -> list[WaitingItem]:
        """The first ones, each delivery once; nobody waits any more for those that were cancelled."""
        batch: dict[object, WaitingItem] = {}
        while waiting and len(batch) < MOST:
            if waiting[0].item.key in batch:
                break
            entry = waiting.popleft()
            if not entry.done.done():
                batch[entry.item.key] = entry
        return list(batch.values())

    async def _write_or_tell_why(self, batch: list[WaitingItem]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._write(batch)
        except REFUSED as refused:
            if len(batch) == 1:
                self._end(batch, refused)
                return
            for entry in batch:  # the others are not to suffer for one
                await self._write_or_tell_why([entry])
        except Exception as error:  # noqa: BLE001 - whoever waits decides what it means
            self._end(batch, error)
        else:
            self._end(batch, None)

    @staticmethod
    def _end(batch: Sequence[WaitingItem], error: Exception | None) -> None:
        for entry in batch:
            if entry.done.done():
                continue
            if error is None:
                entry.done.set_result(None)
            else:
                entry.done.set_exception(error)
