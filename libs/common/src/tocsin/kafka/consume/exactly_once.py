"""Read, decide, write: a worker in whose hands each record takes effect exactly once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from tocsin.kafka.consume.shard import Batch, FencedShard
from tocsin.kafka.records import ProducerRecord
from tocsin.observability import OpenSpan
from tocsin.observability.messaging import end_with
from tocsin.runtime.clock import Clock

# Bytes of outgoing values of one shard that may wait for their commit; those of the newest batch come on top.
AHEAD_BYTES = 16_777_216
# Seconds of waiting for each record of the batch before: where a shard has 50 a second, a record waits for nothing but the former
# transaction, and from 500 a second on for all of `gather`. With 20 ms whatever came, half the time from an event to its job was waiting: of
# events at 100/s p50 26 ms from the request to the hand-off, and 9 ms since; at 1,000/s 125 and 55 ms.
GATHER_A_RECORD = 0.002


@dataclass(frozen=True, slots=True)
class Part:
    """What follows from the first ``records`` of a batch, at least one: `process` is asked about the rest once they
    are committed."""

    outgoing: Sequence[ProducerRecord]
    records: int
    spans: Sequence[OpenSpan] = ()
    """They end with the transaction."""


@dataclass(frozen=True, slots=True)
class _Commit:
    records: int
    size: int
    done: asyncio.Future[None]


class ExactlyOnce:
    """``process(batch)`` returns the records to write; they and the batch's offsets commit together. It may return a
    `Part` for the first records of the batch, when the whole would take long or write much.

    Batches of one shard are processed one after the other, in order; a batch may be processed while those before it
    commit, and shares a transaction with them where it can. What ``process`` raises ends the process, and the offsets
    stay where they were. Every record it returns must fit its topic. ``gather`` is the least time in seconds between two
    batches of a shard, unless a whole one waits; an idle shard's first batch never waits.
    """

    def __init__(
        self,
        process: Callable[[Batch], Awaitable[Sequence[ProducerRecord] | Part]],
        *,
        clock: Clock,
        gather: float = 0.02,
        max_records: int = 500,
        max_bytes: int = 4_194_304,
    ) -> None:
        self._process = process
        self._clock = clock
        self._gather = gather
        self._max_records = max_records
        self._max_bytes = max_bytes

    async def work(self, shard: FencedShard) -> None:
        """Process the shard's records until it is revoked; returns with everything processed committed."""
        commits: deque[_Commit] = deque()
        submitted, taken = float("-inf"), 0
        while True:
            # A transaction costs the same for one record and for hundreds, so a shard that has much to do commits tens a second:
            # unless a whole batch waits, let records arrive while the last transaction commits, and longer the more there were.
            await shard.gather(
                records=self._max_records,
                seconds=submitted + min(self._gather, taken * GATHER_A_RECORD) - self._clock.monotonic(),
                committing=commits[-1].done if commits else None,
            )
            batch = await shard.take(max_records=self._max_records, max_bytes=self._max_bytes)
            if batch is None:
                break
            remaining, taken = batch.records, len(batch.records)
            while remaining and not shard.revoked.is_set():
                batch = replace(batch, records=remaining)
                part = await self._part_of(batch)
                processed, remaining = remaining[: part.records], remaining[part.records :]
                submitted = self._clock.monotonic()
                done = shard.submit(part.outgoing, replace(batch, records=processed).offsets)
                size = sum(len(record.value or b"") for record in part.outgoing)
                commits.append(_Commit(part.records, size, done))
                if part.spans:
                    done.add_done_callback(partial(end_with, part.spans))
                await self._let_commit(commits, all_of_them=bool(remaining))
        await self._let_commit(commits, all_of_them=True)

    async def _part_of(self, batch: Batch) -> Part:
        result = await self._process(batch)
        if not isinstance(result, Part):
            return Part(result, len(batch.records))
        if not 0 < result.records <= len(batch.records):
            msg = f"A part of a batch has 1 to {len(batch.records)} of its records, not {result.records}."
            raise ValueError(msg)
        return result

    async def _let_commit(self, commits: deque[_Commit], *, all_of_them: bool) -> None:
        """Bound what is processed and not committed; forget what is."""
        records, size = sum(commit.records for commit in commits), sum(commit.size for commit in commits)
        while commits and (
            all_of_them or commits[0].done.done() or records > self._max_records or size > AHEAD_BYTES
        ):
            first = commits.popleft()
            await first.done
            records -= first.records
            size -= first.size
