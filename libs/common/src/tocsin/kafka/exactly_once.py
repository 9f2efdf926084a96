"""Read, decide, write: each record takes effect exactly once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.records import Outgoing
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Batch, Slot
from tocsin.kafka.slot_group import SlotGroup
from tocsin.kafka.timings import GroupTimings
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health


class ExactlyOnce:
    """A component: ``process(batch)`` returns the records to write; they and the batch's offsets commit together.

    Batches of one slot are processed one after the other, in order; a batch may be processed while those
    before it commit, and shares a transaction with them where it can. What ``process`` raises ends the
    process, and the offsets stay where they were. Every record it returns must fit its topic (``limits``:
    topic to bytes; 1 MiB where a topic is not named). ``gather``: least seconds between two batches of a
    slot, unless a whole one waits; 0 when idle.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        slots: int,
        timings: GroupTimings,
        process: Callable[[Batch], Awaitable[Sequence[Outgoing]]],
        health: Health,
        clock: Clock,
        limits: Mapping[str, int] | None = None,
        gather: float = 0.02,
        max_records: int = 500,
        max_bytes: int = 4_194_304,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._process = process
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._gather = gather
        self._clock = clock
        self._group = SlotGroup(
            settings=settings,
            group=group,
            topics=topics,
            slots=slots,
            timings=timings,
            work=self._work,
            health=health,
            clock=clock,
            limits=limits,
            gather=0,
            failpoints=failpoints,
        )
        self.name = self._group.name

    async def open(self) -> None:
        """As `SlotGroup.open`."""
        await self._group.open()

    async def run(self, stop: asyncio.Event) -> None:
        """As `SlotGroup.run`."""
        await self._group.run(stop)

    async def close(self) -> None:
        """As `SlotGroup.close`."""
        await self._group.close()

    async def _work(self, slot: Slot) -> None:
        commits: deque[tuple[int, asyncio.Future[None]]] = deque()
        ahead, submitted = 0, float("-inf")
        while True:
            await self._let_gather(slot, submitted, commits)
            batch = await slot.take(max_records=self._max_records, max_bytes=self._max_bytes)
            if batch is None:
                break
            outgoing = await self._process(batch)
            submitted = self._clock.monotonic()
            commits.append((len(batch.records), slot.submit(outgoing, batch.offsets)))
            ahead += len(batch.records)
            while commits and (commits[0][1].done() or ahead > self._max_records):
                count, committed = commits.popleft()
                await committed
                ahead -= count
        for _, committed in commits:
            await committed

    async def _let_gather(
        self, slot: Slot, submitted: float, commits: deque[tuple[int, asyncio.Future[None]]]
    ) -> None:
        """Commit tens a second, not hundreds: unless a whole batch waits, let records arrive while the last
        transaction commits, and for as long as ``gather`` says. After a pause neither holds, and none waits."""
        seconds = submitted + self._gather - self._clock.monotonic()
        committing = commits[-1][1] if commits else None
        await slot.gather(records=self._max_records, seconds=seconds, committing=committing)
