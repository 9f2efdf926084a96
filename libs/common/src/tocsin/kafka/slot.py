"""One slot, held by this process for the length of one assignment."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.offsets import Position
from tocsin.kafka.records import Outgoing, Record, TopicPartition
from tocsin.kafka.slot_progress import SlotProgress
from tocsin.kafka.transaction_queue import TransactionQueue
from tocsin.runtime.clock import Clock


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one slot, in offset order per partition, read under one assignment."""

    slot: int
    assignment: int
    records: list[Record]

    @property
    def offsets(self) -> dict[TopicPartition, Position]:
        """What to commit once all these records are dealt with: the next offset of each partition."""
        return {
            TopicPartition(record.topic, record.partition): Position(record.offset + 1)
            for record in self.records
        }


class Slot:
    """What a worker holds while the slot is its own.

    ``number`` and ``assignment`` name it; ``positions`` are the offsets (with metadata) that were committed
    when it was taken, after the former owner was fenced. ``revoked`` is set when the slot has to be given
    back: `take` then returns None, and the worker ends what is in flight, commits and returns.
    """

    def __init__(
        self,
        *,
        number: int,
        assignment: int,
        positions: Mapping[TopicPartition, Position],
        queue: TransactionQueue,
        commit: Callable[[Mapping[TopicPartition, Position]], Awaitable[None]],
        lease_ok: Callable[[], bool],
        room: Callable[[], None],
        clock: Clock,
        most_records: int,
        most_bytes: int,
    ) -> None:
        self.number = number
        self.assignment = assignment
        self.positions = positions
        self.revoked = asyncio.Event()
        self.progress = SlotProgress(positions)
        self._queue = queue
        self._commit = commit
        self._lease_ok = lease_ok
        self._room = room
        self._clock = clock
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._buffer: deque[Record] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False
        self._taking = False
        self._touched = clock.monotonic()

    # What a worker uses

    async def take(self, *, max_records: int = 500, max_bytes: int = 4_194_304) -> Batch | None:
        """The next records, at least one; None once the slot is revoked. Whatever a worker does before its
        first `take` (reading an outcome log back, say) happens before any record is handed out."""
        self._taking = True
        try:
            while not self._buffer and not self.revoked.is_set():
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self._taking = False
            self.touch()
        if self.revoked.is_set():
            return None
        return self._batch(max_records, max_bytes)

    async def gather(
        self, *, records: int, seconds: float, committing: asyncio.Future[None] | None = None
    ) -> None:
        """Let more arrive before the next `take`: returns once ``records`` wait, or once ``seconds`` have passed
        and ``committing`` is done, or when the slot is revoked."""
        until = self._clock.monotonic() + seconds
        if committing is not None:
            committing.add_done_callback(lambda _: self._arrived.set())
        while len(self._buffer) < records and not self.revoked.is_set():
            left = until - self._clock.monotonic()
            if left <= 0 and (committing is None or committing.done()):
                return
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if left > 0 else None):
                    await self._arrived.wait()

    async def transaction(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position] | None = None
    ) -> None:
        """Write all of it, and the offsets, or none of it. Returns once committed.

        Calls that come while another commits share the next transaction, in the order of the calls.
        RecordTooLarge is raised before anything is produced; any other error is OwnershipLost, and the
        process ends without commit.
        """
        await self.submit(outgoing, offsets)

    def submit(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position] | None = None
    ) -> asyncio.Future[None]:
        """`transaction` without waiting: the future is done once it is committed."""
        self._check_held()
        given = offsets or {}
        done = self._queue.submit(outgoing, given)
        done.add_done_callback(lambda future: self._committed(future, given))
        return done

    async def commit(self, offsets: Mapping[TopicPartition, Position]) -> None:
        """Commit offsets with their metadata outside of transactions, in this generation of the group.
        OwnershipLost when the group refuses."""
        self._check_held()
        await self._commit(offsets)
        self.progress.committed(offsets)
        self.touch()

    def lease_ok(self) -> bool:
        """Whether this process may still act for the slot: now - the sending of the last good heartbeat of
        this generation < session timeout - 2 s, and the assignment is still this one. Look at it
        immediately before each provider call; when it is False, drop everything held and leave."""
        return not self._closed and self._lease_ok()

    def touch(self) -> None:
        """Tell the watchdog that the worker is at work; for workers that hold records without taking or
        committing for long, because a provider is away, say."""
        self._touched = self._clock.monotonic()

    # What the group uses

    @property
    def full(self) -> bool:
        """Whether reading for this slot pauses until the worker takes more."""
        return len(self._buffer) >= self._most_records or self._bytes >= self._most_bytes

    @property
    def idle_since(self) -> float | None:
        """Since when (monotonic) the worker has given no sign; None while it waits for records."""
        return None if self._taking else self._touched

    def first_unread(self, partition: TopicPartition) -> Record | None:
        """The first record of the partition that waits to be taken."""
        return next(
            (record for record in self._buffer if (record.topic, record.partition) == partition), None
        )

    def put(self, records: Sequence[Record]) -> None:
        """Records that were read, to be taken; dropped when the slot is being given back."""
        if self.revoked.is_set():
            return
        self._buffer.extend(records)
        self._bytes += sum(record.size for record in records)
        self._arrived.set()

    def revoke(self) -> None:
        """Ask for the slot back: nothing more is handed out, and what was not taken is dropped."""
        self.revoked.set()
        self._buffer.clear()
        self._bytes = 0
        self._arrived.set()

    def end(self) -> None:
        """The assignment is over: whatever still refers to this slot can neither write nor commit."""
        self.revoke()
        self._closed = True

    def _batch(self, max_records: int, max_bytes: int) -> Batch:
        records: list[Record] = []
        size = 0
        was_full = self.full
        while self._buffer and len(records) < max_records:
            size += self._buffer[0].size
            if records and size > max_bytes:
                break
            records.append(self._buffer.popleft())
            self._bytes -= records[-1].size
        if was_full and not self.full:
            self._room()
        self.progress.handed(records)
        return Batch(slot=self.number, assignment=self.assignment, records=records)

    def _committed(self, future: asyncio.Future[None], offsets: Mapping[TopicPartition, Position]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.progress.committed(offsets)
            self.touch()

    def _check_held(self) -> None:
        if self._closed:
            msg = f"Slot {self.number} was held in assignment {self.assignment}, which is over."
            raise OwnershipLost(msg)
