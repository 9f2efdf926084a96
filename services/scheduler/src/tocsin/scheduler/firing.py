"""One shard of a lane's timers: what the log says becomes rows, and what is due is written.

A timer fires in one Kafka transaction of the shard: its record, and `fired` on the timer's own partition. Reading `fired` back deletes
the row; what was fired and is not read back yet is remembered here. A new owner fires only once it has read all that the former one
wrote, so a timer fires once whenever either of them dies.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tocsin.contracts.codec import encode
from tocsin.contracts.timers import TimerFired
from tocsin.contracts.vocabulary import Lane, TimerEnd
from tocsin.kafka import FencedStoredShard, Offsets, PartitionBatch, ProducerRecord, ShardRows
from tocsin.observability import get_logger, metrics, record_span
from tocsin.runtime import Clock
from tocsin.runtime.tasks import end_all, first_of
from tocsin.scheduler.timers_table import DueTimer, Kept, TimersTable

log = get_logger(__name__)

AT_ONCE: Final = 2_000
"""Timers fired in one transaction."""
NOT_READ_BACK: Final = 10_000
"""So many may be fired and not be read back yet."""
LOOK: Final = 1.0
"""Seconds between two looks at the clock, which may have been set: what is due is not waited for any longer than that."""
LOOK_FOR_THE_END: Final = 0.05
"""Seconds between two looks whether all was read that a former owner wrote."""


class ShardTimers:
    """One shard under one assignment; `run` is its work."""

    def __init__(
        self,
        shard: FencedStoredShard,
        *,
        lane: Lane,
        table: TimersTable,
        offsets: Offsets,
        clock: Clock,
        batch_records: int,
    ) -> None:
        self._shard = shard
        self._lane = lane
        self._table = table
        self._offsets = offsets
        self._clock = clock
        self._batch_records = batch_records
        self._topics = {at.partition: at.topic for at in shard.positions}
        self._rows = ShardRows(self._keep, shard)
        self._fired: set[str] = set()
        """Fired here, and not read back yet."""
        self._next: datetime | None = None
        """No timer is due before; None where there is none."""
        self._changed = asyncio.Event()
        self._busy = False
        """Whether records that were taken are not rows yet."""
        self._lateness = metrics.timer_lateness_seconds.labels(lane)

    async def run(self) -> None:
        """Until the shard is revoked; a transaction under way ends first."""
        reading = asyncio.create_task(self._read(), name="read timers")
        firing = asyncio.create_task(self._fire(), name="fire timers")
        try:
            await asyncio.wait({reading, firing}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and reading.exception() is None:  # revoked
                self._changed.set()
                await firing
            for task in (reading, firing):
                if task.done():
                    task.result()
        finally:
            await end_all([reading, firing])

    # Rows

    async def _read(self) -> None:
        while batch := await self._shard.take(max_records=self._batch_records, max_bytes=None):
            self._busy = True
            await self._rows.apply(batch)
            self._busy = False

    async def _keep(self, batches: Sequence[PartitionBatch]) -> None:
        self._note(await self._table.keep(batches))

    def _note(self, kept: Kept) -> None:
        self._fired -= kept.fired
        if kept.earliest is not None and (self._next is None or kept.earliest < self._next):
            self._next = kept.earliest
        self._changed.set()

    # Firing

    async def _fire(self) -> None:
        await self._until_read_back()
        self._next = await self._next_due()
        while not self._shard.revoked.is_set():
            self._changed.clear()
            if (
                self._next is not None
                and self._next <= self._clock.now()
                and len(self._fired) < NOT_READ_BACK
            ):
                await self._fire_due()
                continue
            await first_of(self._changed.wait(), asyncio.sleep(self._pause()))
            self._shard.touch()

    async def _until_read_back(self) -> None:
        """All that a former owner may have written is in the rows: its ends are asked for after it was fenced."""
        ends = await self._offsets.ends(list(self._shard.positions))
        while not self._shard.revoked.is_set():
            if not self._busy and all(self._shard.read_past(at, end) for at, end in ends.items()):
                return
            await asyncio.sleep(LOOK_FOR_THE_END)
            self._shard.touch()

    async def _fire_due(self) -> None:
        timers = await self._table.due(
            list(self._topics), now=self._clock.now(), fired=self._fired, at_most=AT_ONCE
        )
        if timers and not self._shard.revoked.is_set():
            self._fired.update(timer.id for timer in timers)
            await self._shard.transaction([record for timer in timers for record in self._records(timer)])
            self._observe(timers)
        if len(timers) < AT_ONCE:
            self._next = await self._next_due()

    def _records(self, timer: DueTimer) -> tuple[ProducerRecord, ProducerRecord]:
        """What was put off, and that it was fired, in the partition of the same number."""
        end = TimerFired(id=timer.id, how=TimerEnd.HURRIED if timer.hurried else TimerEnd.DUE)
        return (
            ProducerRecord(timer.topic, timer.key, timer.record, partition=timer.partition),
            ProducerRecord(self._topics[timer.partition], timer.key, encode(end), partition=timer.partition),
        )

    async def _next_due(self) -> datetime | None:
        return await self._table.next_due(list(self._topics), fired=self._fired)

    def _pause(self) -> float:
        """Seconds to wait at most."""
        if self._next is None:
            return LOOK
        return min(LOOK, max(0.0, (self._next - self._clock.now()).total_seconds()))

    def _observe(self, timers: Sequence[DueTimer]) -> None:
        now = self._clock.now()
        for timer in timers:
            late = max(0.0, (now - timer.due).total_seconds())
            self._lateness.observe(late)
            record_span("fire", timer.traceparent, seconds=late, lane=self._lane.value)
