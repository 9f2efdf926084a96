"""What a worker holds of the partitions its process was given, for the length of one assignment."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.consume.member import Lease, Member
from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.lag import PartitionLag
from tocsin.kafka.produce.transaction_queue import TransactionQueue
from tocsin.kafka.records import ConsumerRecord, ProducerRecord, TopicPartition
from tocsin.observability import get_logger
from tocsin.runtime.bounds import GroupTimeouts
from tocsin.runtime.clock import Clock

log = get_logger(__name__)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one shard, in offset order per partition, read under one assignment.

    ``partition_count`` is how many partitions each topic of the group has; 0 where topics may differ.
    """

    records: list[ConsumerRecord]
    partition_count: int = 0

    @property
    def offsets(self) -> dict[TopicPartition, CommittedOffset]:
        """What to commit once all these records are dealt with: the next offset of each partition."""
        return {
            TopicPartition(record.topic, record.partition): CommittedOffset(record.offset + 1)
            for record in self.records
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """The partitions a member was given, and what it may do with them until they are revoked.

    ``number`` counts the assignments of a process; ``prefix`` begins the names of topics and groups. A shard holds about ``buffer_records`` and about ``buffer_bytes`` that
    its worker has not taken yet; ``room`` is set when a full shard can take more. ``fail`` ends this process's membership
    in the group.
    """

    number: int
    group: str
    prefix: str
    partitions: frozenset[TopicPartition]
    member: Member
    lease: Lease
    clock: Clock
    timeouts: GroupTimeouts
    buffer_records: int
    buffer_bytes: int
    room: asyncio.Event
    fail: Callable[[BaseException], None]


class Shard:
    """Some of the partitions of an assignment, worked on by one coroutine.

    ``positions`` are the offsets at which reading began. ``revoked`` is set when the shard has to be released: `take` then
    returns None, and the worker ends what is in flight, commits and returns.
    """

    def __init__(
        self,
        *,
        number: int,
        positions: Mapping[TopicPartition, CommittedOffset],
        assignment: Assignment,
        partition_count: int = 0,
    ) -> None:
        self.number = number
        self.positions = positions
        self.partition_count = partition_count
        self.revoked = asyncio.Event()
        self.lag = {
            partition: PartitionLag(committed=position.offset, clock=assignment.clock)
            for partition, position in positions.items()
        }
        self._assignment = assignment
        self._clock = assignment.clock
        self._buffer: deque[ConsumerRecord] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._ended = False
        self._waiting = False
        self._touched = self._clock.monotonic()

    # What a worker uses

    async def take(self, *, max_records: int = 500, max_bytes: int | None = 4_194_304) -> Batch | None:
        """The next records, at least one; None once the shard is revoked. Whatever a worker does before its
        first `take` (reading an outcome log back, say) happens before any record is handed out."""
        self._waiting = True
        try:
            while not self._buffer and not self.revoked.is_set():
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self._waiting = False
            self.touch()
        if self.revoked.is_set():
            return None
        return Batch(records=self._take(max_records, max_bytes), partition_count=self.partition_count)

    async def gather(
        self, *, records: int, seconds: float, committing: asyncio.Future[None] | None = None
    ) -> None:
        """Let more arrive before the next `take`: returns once ``records`` wait, or once ``seconds`` have passed
        and ``committing`` is done, or when the shard is revoked."""
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

    async def commit(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Commit offsets with their metadata outside of transactions, in this generation of the group.

        While no coordinator answers it waits, as long as the shard is held: what is known and not committed is not thrown away
        because a broker restarts. OwnershipLost when the group refuses, and once the assignment is over."""
        self.check_held()
        while not await self._assignment.member.commit(offsets):
            log.warning("commit of offsets waits for the group's coordinator", group=self._assignment.group, shard=self.number)  # fmt: skip
            self.check_held()
            self.touch()
        self.note_committed(offsets)

    def lease_ok(self) -> bool:
        """Whether this process may still call a provider for the shard: now - the sending of the last good heartbeat of
        this generation < session timeout - 2 s, and the assignment is still this one. Look at it immediately before
        each provider call. Transactions and commits need no look: the broker refuses those of a former owner."""
        return not self._ended and self._assignment.lease.ok()

    def read_past(self, partition: TopicPartition, offset: int) -> bool:
        """Whether every record below ``offset`` was read and taken, also where the last of them is a transaction's marker, which is
        no record. Nothing is awaited between aiokafka's position and what is put here, so the two fit together. Never once the shard is
        revoked: what was not taken is dropped then, and the position has passed it."""
        if self.revoked.is_set():
            return False
        ends = self._assignment.member.log_ends(partition)
        return ends is not None and ends.position >= offset and self.first_unread(partition) is None

    def touch(self) -> None:
        """Tell the watchdog that the worker is at work; for workers that hold records without taking or
        committing for long, because a provider is away, say."""
        self._touched = self._clock.monotonic()

    def note_committed(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        """These offsets are committed, wherever this group keeps them."""
        for partition, position in offsets.items():
            self.lag[partition].note_committed(position.offset)
        self.touch()

    def check_held(self) -> None:
        """OwnershipLost once the assignment is over: a worker that outlived it must not act any more."""
        if self._ended:
            msg = f"Shard {self.number} was held in assignment {self.assignment}, which is over."
            raise OwnershipLost(msg)

    # What `ConsumerGroup` uses

    @property
    def assignment(self) -> int:
        """The number of the assignment that this shard belongs to."""
        return self._assignment.number

    @property
    def full(self) -> bool:
        """Whether reading for this shard pauses until the worker takes more."""
        return (
            len(self._buffer) >= self._assignment.buffer_records
            or self._bytes >= self._assignment.buffer_bytes
        )

    @property
    def idle_since(self) -> float | None:
        """Since when (monotonic) the worker has given no sign; None while it waits for records."""
        return None if self._waiting else self._touched

    def first_unread(self, partition: TopicPartition) -> ConsumerRecord | None:
        """The first record of the partition that waits to be taken."""
        return next(
            (record for record in self._buffer if (record.topic, record.partition) == partition), None
        )

    def put(self, records: Sequence[ConsumerRecord]) -> None:
        """Records that were read, to be taken; dropped when the shard is being released."""
        if self.revoked.is_set():
            return
        self._buffer.extend(records)
        self._bytes += sum(record.size for record in records)

    def wake(self) -> None:
        """Let the worker look at what was put. `ConsumerGroup` reads from every partition before it wakes the worker, so
        that a batch is not made of the first partition alone."""
        self._arrived.set()

    def revoke(self) -> None:
        """Ask for the shard back: nothing more is handed out, and what was not taken is dropped."""
        self.revoked.set()
        self._buffer.clear()
        self._bytes = 0
        self._arrived.set()

    def end(self) -> None:
        """The assignment is over: whatever still refers to this shard can neither write nor commit."""
        self.revoke()
        self._ended = True

    def _take(self, max_records: int, max_bytes: int | None) -> list[ConsumerRecord]:
        was_full = self.full
        if len(self._buffer) <= max_records and (max_bytes is None or self._bytes <= max_bytes):
            records = list(self._buffer)
            self._buffer.clear()
            self._bytes = 0
        else:
            records, size = [], 0
            while self._buffer and len(records) < max_records:
                size += self._buffer[0].size
                if records and max_bytes is not None and size > max_bytes:
                    break
                records.append(self._buffer.popleft())
                self._bytes -= records[-1].size
        if was_full and not self.full:
            self._assignment.room.set()
        self._note_taken(records)
        return records

    def _note_taken(self, records: Sequence[ConsumerRecord]) -> None:
        first: dict[tuple[str, int], ConsumerRecord] = {}
        last: dict[tuple[str, int], ConsumerRecord] = {}
        for record in records:
            place = (record.topic, record.partition)
            first.setdefault(place, record)
            last[place] = record
        for place, record in first.items():
            self.lag[TopicPartition(*place)].taken(first=record, last=last[place])


class FencedShard(Shard):
    """A shard whose former owner was fenced, with transactions of its own.

    What was written in its transactions, and the offsets they carry, counts only while nobody else owns the shard.
    """

    def __init__(
        self,
        *,
        number: int,
        positions: Mapping[TopicPartition, CommittedOffset],
        assignment: Assignment,
        partition_count: int,
        queue: TransactionQueue,
    ) -> None:
        super().__init__(
            number=number, positions=positions, assignment=assignment, partition_count=partition_count
        )
        self._queue = queue

    async def transaction(
        self,
        outgoing: Sequence[ProducerRecord],
        offsets: Mapping[TopicPartition, CommittedOffset] | None = None,
    ) -> None:
        """Write all of it, and the offsets, or none of it. Returns once committed.

        Calls that come while another commits share the next transaction, in the order of the calls.
        RecordTooLarge is raised before anything is produced; a transaction that failed is OwnershipLost, and nothing
        of this assignment is committed after it.
        """
        await self.submit(outgoing, offsets)

    def submit(
        self,
        outgoing: Sequence[ProducerRecord],
        offsets: Mapping[TopicPartition, CommittedOffset] | None = None,
    ) -> asyncio.Future[None]:
        """`transaction` without waiting: the future is done once it is committed."""
        self.check_held()
        carried = offsets or {}
        done = self._queue.submit(outgoing, carried)

        def note(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and future.exception() is None:
                self.note_committed(carried)

        done.add_done_callback(note)
        return done


class StoredShard(Shard):
    """A shard whose positions stand beside the rows that were made of its records.

    ``stored`` has the position of each partition as the store holds it, None where it holds none yet.
    """

    def __init__(
        self,
        *,
        positions: Mapping[TopicPartition, CommittedOffset],
        stored: Mapping[TopicPartition, int | None],
        assignment: Assignment,
    ) -> None:
        super().__init__(number=0, positions=positions, assignment=assignment)
        self.stored = stored


class FencedStoredShard(FencedShard):
    """A fenced shard whose positions stand beside the rows that were made of its records; `stored` as in `StoredShard`."""

    def __init__(
        self,
        *,
        number: int,
        positions: Mapping[TopicPartition, CommittedOffset],
        stored: Mapping[TopicPartition, int | None],
        assignment: Assignment,
        partition_count: int,
        queue: TransactionQueue,
    ) -> None:
        super().__init__(
            number=number,
            positions=positions,
            assignment=assignment,
            partition_count=partition_count,
            queue=queue,
        )
        self.stored = stored
