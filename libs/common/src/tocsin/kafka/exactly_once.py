"""Read, decide, write: each record takes effect exactly once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.records import Outgoing
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Batch, Slot
from tocsin.kafka.slot_group import SlotGroup
from tocsin.runtime.bounds import GroupTimeouts
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

# What is processed and not committed yet may hold this much of a slot, beside its last batch.
AHEAD_BYTES = 16_777_216


@dataclass(frozen=True, slots=True)
class Part:
    """What follows from the first ``records`` of a batch, at least one: `process` is asked about the rest once they
    are committed."""

    outgoing: Sequence[Outgoing]
    records: int


@dataclass(frozen=True, slots=True)
class _Commit:
    records: int
    size: int
    done: asyncio.Future[None]


class ExactlyOnce:
    """A component: ``process(batch)`` returns the records to write; they and the batch's offsets commit together.
    It may return a `Part` for the first records of the batch, when the whole would take long or write much.

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
        timeouts: GroupTimeouts,
        process: Callable[[Batch], Awaitable[Sequence[Outgoing] | Part]],
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
            timeouts=timeouts,
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
        commits: deque[_Commit] = deque()
        submitted = float("-inf")
        while True:
            await self._let_gather(slot, submitted, commits)
            rest = await slot.take(max_records=self._max_records, max_bytes=self._max_bytes)
            if rest is None:
                break
            while rest is not None and not slot.revoked.is_set():
                part, batch, rest = await self._part_of(rest)
                submitted = self._clock.monotonic()
                size = sum(len(one.value or b"") for one in part.outgoing)
                commits.append(_Commit(part.records, size, slot.submit(part.outgoing, batch.offsets)))
                await self._let_commit(commits, all_of_them=rest is not None)
        await self._let_commit(commits, all_of_them=True)

    async def _part_of(self, batch: Batch) -> tuple[Part, Batch, Batch | None]:
        """What was processed, the records it follows from, and those that remain."""
        found = await self._process(batch)
        part = found if isinstance(found, Part) else Part(found, len(batch.records))
        if part.records == len(batch.records):
            return part, batch, None
        if not 0 < part.records < len(batch.records):
            msg = f"A part of a batch has 1 to {len(batch.records)} of its records, not {part.records}."
            raise ValueError(msg)
        first, rest = batch.records[: part.records], batch.records[part.records :]
        return part, replace(batch, records=first), replace(batch, records=rest)

    async def _let_commit(self, commits: deque[_Commit], *, all_of_them: bool) -> None:
        """Bound what is processed and not committed; forget what is."""
        records, size = sum(one.records for one in commits), sum(one.size for one in commits)
        while commits and (
            all_of_them or commits[0].done.done() or records > self._max_records or size > AHEAD_BYTES
        ):
            first = commits.popleft()
            await first.done
            records -= first.records
            size -= first.size

    async def _let_gather(self, slot: Slot, submitted: float, commits: deque[_Commit]) -> None:
        """Commit tens a second, not hundreds: unless a whole batch waits, let records arrive while the last
        transaction commits, and for as long as ``gather`` says. After a pause neither holds, and none waits."""
        seconds = submitted + self._gather - self._clock.monotonic()
        committing = commits[-1].done if commits else None
        await slot.gather(records=self._max_records, seconds=seconds, committing=committing)
