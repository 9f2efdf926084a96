"""One shard of a lane's timers: what the log says becomes rows, and what is due is written.

A timer fires in one Kafka transaction of the shard: its record, and `fired` on the timer's own partition. Reading `fired` back deletes
the row; what was fired and is not read back yet is remembered here. A new owner fires only once it has read all that the former one
wrote, so a timer fires once whenever either of them dies.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.timers import TimerFired
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, Reason, TimerEnd
from tocsin.kafka import (
    ConsumerRecord,
    FencedStoredShard,
    InvalidRecordLimit,
    Offsets,
    PartitionBatch,
    ProducerRecord,
    ShardRows,
)
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock
from tocsin.runtime.tasks import end_all, first_of
from tocsin.scheduler.firing_spans import FiringSpans
from tocsin.scheduler.timers_log import Said, read
from tocsin.scheduler.timers_table import BEGINNING, DueTimer, FiringPosition, TimersTable

log = get_logger(__name__)

SERVICE: Final = "scheduler"
AT_ONCE: Final = 2_000
"""Timers fired in one transaction, at most."""
BYTES_AT_ONCE: Final = 8 * 2**20
"""So many bytes of their records are fired in one transaction; one timer always is."""
NOT_READ_BACK: Final = 10_000
"""So many may be fired and not be read back yet."""
LOOK: Final = 1.0
"""Seconds between two looks at the clock, which may have been set: what is due is not waited for any longer than that."""
LOOK_FOR_THE_END: Final = 0.05
"""Seconds between two looks whether all was read that a former owner wrote."""


class FiringContext:
    """What all shards of a lane share. `writable` are the topics that a timer may name."""

    def __init__(
        self,
        *,
        lane: Lane,
        topics: Topics,
        table: TimersTable,
        offsets: Offsets,
        clock: Clock,
        writable: Collection[str],
        batch_records: int,
    ) -> None:
        self.lane = lane
        self.table = table
        self.offsets = offsets
        self.clock = clock
        self.writable = frozenset(writable)
        self.batch_records = batch_records
        self.dead = topics.dead(SERVICE)
        self.dead_bytes = next(topic.max_message_bytes for topic in topics.all() if topic.name == self.dead)
        self.group = topics.group(SERVICE, lane)
        self.invalid_records = InvalidRecordLimit(group=self.group)
        metrics.begin_at_zero(metrics.processed, [SERVICE], [lane], Said().counts())
        metrics.begin_at_zero(metrics.dead_letters, [SERVICE], [lane], [Reason.RECORD_UNREADABLE])
        self.lateness = metrics.timer_lateness_seconds.labels(lane)
        self.pending = metrics.pending_timers.labels(lane)
        self.shards: set[ShardTimers] = set()
        """Those that fire."""
        metrics.oldest_due_timer_seconds.labels(lane).set_function(self._oldest_due)

    def _oldest_due(self) -> float:
        """Seconds for which the oldest timer has been due and is not written."""
        now = self.clock.now()
        # Copied in one step: `/metrics` asks in a thread, and meanwhile a shard may come or go.
        shards = tuple(self.shards)
        return max((shard.overdue(now) for shard in shards), default=0.0)

    def count(self, said: Said) -> None:
        """Into the metrics."""
        for kind, count in said.counts().items():
            metrics.processed.labels(SERVICE, self.lane, kind).inc(count)


class ShardTimers:
    """One shard under one assignment; `run` is its work."""

    def __init__(self, context: FiringContext, shard: FencedStoredShard) -> None:
        self._context = context
        self._shard = shard
        self._table, self._clock = context.table, context.clock
        self._topics = {at.partition: at.topic for at in shard.positions}
        self._rows = ShardRows(self._keep, shard)
        self._fired: set[str] = set()
        """Fired here, and not read back yet."""
        self._places = dict.fromkeys(self._topics, BEGINNING)
        """What is due behind them was not fired yet."""
        self._next: datetime | None = None
        """No timer is due before; None where there is none."""
        self._kept_since: datetime | None = None
        """The same, of those that were kept since the table was last asked."""
        self._pending = 0
        self._changed = asyncio.Event()
        self._busy = False
        """Whether records that were taken are not rows yet."""

    async def run(self) -> None:
        """Until the shard is revoked; a transaction under way ends first."""
        self._count(await self._table.count(list(self._topics)))
        reading = asyncio.create_task(self._read(), name="read timers")
        firing = asyncio.create_task(self._fire(), name="fire timers")
        try:
            done, _ = await asyncio.wait({reading, firing}, return_when=asyncio.FIRST_COMPLETED)
            if all(task.exception() is None for task in done):  # revoked: the other ends by itself, too
                self._changed.set()
                await asyncio.wait({reading, firing})
            for task in (reading, firing):
                if task.done():
                    task.result()
        finally:
            await end_all([reading, firing])
            self._context.shards.discard(self)
            self._count(-self._pending)

    def overdue(self, now: datetime) -> float:
        """Seconds for which its oldest timer has been due and is not written."""
        return 0.0 if self._next is None else max(0.0, (now - self._next).total_seconds())

    # Rows

    async def _read(self) -> None:
        while batch := await self._shard.take(max_records=self._context.batch_records, max_bytes=None):
            self._busy = True
            await self._rows.apply(batch)
            self._busy = False

    async def _keep(self, batches: Sequence[PartitionBatch]) -> None:
        context = self._context
        said = read((record for batch in batches for record in batch.records), writable=context.writable)
        if said.unreadable:
            # Before the position moves: killed in between, the next owner sets them aside once more.
            await self._shard.transaction([self._dead_letter(*unreadable) for unreadable in said.unreadable])
        invalid = len(said.unreadable)
        context.invalid_records.saw(valid=sum(said.counts().values()) - invalid, invalid=invalid)
        kept = await self._table.keep(batches, said)
        context.count(said)
        self._count(kept.more)
        self._fired.difference_update(end.id for _, end in said.fired)
        self._next = _earliest(self._next, kept.earliest)
        self._kept_since = _earliest(self._kept_since, kept.earliest)
        self._go_back(kept.earliest)
        self._changed.set()

    def _count(self, more: int) -> None:
        self._pending += more
        self._context.pending.inc(more)

    def _dead_letter(self, record: ConsumerRecord, reason: str) -> ProducerRecord:
        context = self._context
        metrics.dead_letters.labels(SERVICE, context.lane, Reason.RECORD_UNREADABLE).inc()
        log.error("timer unreadable", origin=record.ref, reason=reason)
        detail = f"The record is no timer of this release: {reason}."
        letter = DeadLetter(
            service=SERVICE,
            reason=Reason.RECORD_UNREADABLE,
            detail=detail,
            origin=record.ref,
            at=self._clock.now(),
        )
        parts = truncate_to_fit(
            letter, key=record.key, value=record.value, headers=record.headers, largest=context.dead_bytes
        )
        return ProducerRecord(context.dead, *parts)

    # Firing

    async def _fire(self) -> None:
        await self._until_read_back()
        await self._look_ahead()
        self._context.shards.add(self)
        while not self._shard.revoked.is_set():
            self._changed.clear()
            if not self._full and self._next is not None and self._next <= self._clock.now():
                await self._fire_due()
                continue
            await first_of(self._changed.wait(), asyncio.sleep(self._pause()))
            self._shard.touch()

    async def _until_read_back(self) -> None:
        """All that a former owner may have written is in the rows: its ends are asked for after it was fenced."""
        ends = await self._context.offsets.ends(list(self._shard.positions))
        while not self._shard.revoked.is_set():
            if not self._busy and all(self._shard.read_past(at, end) for at, end in ends.items()):
                return
            await asyncio.sleep(LOOK_FOR_THE_END)
            self._shard.touch()

    async def _fire_due(self) -> None:
        # As the rows are when the table is asked: what is read back meanwhile may still be among them.
        fired_before = frozenset(self._fired)
        self._kept_since = None
        timers = await self._table.due(
            self._places, now=self._clock.now(), at_most=AT_ONCE, most_bytes=BYTES_AT_ONCE
        )
        for timer in timers:
            self._places[timer.partition] = FiringPosition(timer.due, timer.offset)
        self._go_back(self._kept_since)
        to_fire = [timer for timer in timers if timer.id not in fired_before]
        if to_fire and not self._shard.revoked.is_set():
            self._fired.update(timer.id for timer in to_fire)
            spans = FiringSpans(topics=self._topics, group=self._context.group, now=self._clock.now())
            traced = map(spans.begin, to_fire)
            await self._shard.transaction([record for timer in traced for record in self._records(timer)])
            spans.committed()
            self._observe(to_fire)
        if len(timers) < AT_ONCE:
            await self._look_ahead()

    def _go_back(self, earliest: datetime | None) -> None:
        """Timers were set or hurried that are due at `earliest` or later: they lie behind the places again."""
        for partition, place in self._places.items():
            if earliest is not None and earliest <= place.due:
                self._places[partition] = FiringPosition(earliest, BEGINNING.offset)

    def _records(self, timer: DueTimer) -> tuple[ProducerRecord, ProducerRecord]:
        """What was put off, and that it was fired, in the partition of the same number."""
        end = TimerFired(id=timer.id, how=TimerEnd.HURRIED if timer.hurried else TimerEnd.DUE)
        return (
            ProducerRecord(timer.topic, timer.key, timer.record, partition=timer.partition),
            ProducerRecord(self._topics[timer.partition], timer.key, encode(end), partition=timer.partition),
        )

    async def _look_ahead(self) -> None:
        """When the next one is due. The table may be asked just before a batch becomes visible: what is kept meanwhile counts as well."""
        self._kept_since = None
        self._next = _earliest(await self._table.next_due(self._places), self._kept_since)

    @property
    def _full(self) -> bool:
        """Whether nothing more is fired before some of it is read back."""
        return len(self._fired) >= NOT_READ_BACK

    def _pause(self) -> float:
        """Seconds to wait at most; what is kept ends the waiting."""
        if self._next is None or self._full:
            return LOOK
        return min(LOOK, max(0.0, (self._next - self._clock.now()).total_seconds()))

    def _observe(self, timers: Sequence[DueTimer]) -> None:
        now = self._clock.now()
        for timer in timers:
            late = max(0.0, (now - timer.due).total_seconds())
            self._context.lateness.observe(late)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
