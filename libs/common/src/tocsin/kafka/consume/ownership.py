"""What makes a process the owner of the partitions it was given: four strategies, and what each costs.

| strategy | who may write | positions stand | costs |
|---|---|---|---|
| `Fenced` | the newest owner of a shard, in transactions | in the group | a transactional producer a shard |
| `Plain` | anyone who read the record: work is repeatable | in the group | nothing |
| `StoredPositions` | who finds the position it expects | in a database, beside the rows | nothing |
| `FencedStored` | both: rows by position, records in transactions | in a database, beside the rows | a transactional producer a shard |
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tocsin.kafka.client.commits import (
    CommitNote,
    CommittedOffset,
    check_kept,
    offset_missing,
    read_note,
    write_note,
)
from tocsin.kafka.consume.assignor import ShardAssignor, equal_count, shard_of
from tocsin.kafka.consume.cluster import Cluster
from tocsin.kafka.consume.member import Assignor
from tocsin.kafka.consume.projection import PartitionBatch, ProjectionStore
from tocsin.kafka.consume.shard import Assignment, FencedShard, FencedStoredShard, Shard, StoredShard
from tocsin.kafka.errors import OwnershipLost, PartitionsUnequal
from tocsin.kafka.lag import kind_and_lane, service_and_lane
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.transaction_queue import TransactionQueue
from tocsin.kafka.produce.transactional_producer import Transactions
from tocsin.kafka.records import TopicPartition
from tocsin.observability import get_logger, metrics
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints

log = get_logger(__name__)

S_co = TypeVar("S_co", bound=Shard, covariant=True)


class Ownership(Protocol[S_co]):
    """How partitions become a worker's, and how they are let go."""

    @property
    def exclusive(self) -> bool:
        """True: a member that was expelled must give up its shards at once (OwnershipLost). False: it may finish its work,
        because a second owner does no harm."""
        ...

    @property
    def assignor(self) -> Assignor:
        """Which member gets which partitions."""
        ...

    @property
    def refusal(self) -> PartitionsUnequal | None:
        """Why this member, as the leader of the group, refused to assign partitions."""
        ...

    def check(self, group: str, counts: Mapping[str, int]) -> None:
        """PartitionsUnequal when the topics' partition counts do not fit."""

    async def acquire(self, assignment: Assignment) -> Sequence[S_co]:
        """The shards of an assignment, with the positions to read from. OffsetMissing and OffsetsUnusable when
        there is nowhere to begin; OwnershipLost when the former owner could not be fenced."""
        ...

    async def release(self) -> None:
        """Let go of what `acquire` opened; what is under way ends first, or, when this is cancelled, is given up."""


class Fenced:
    """A shard is a fixed set of partition numbers of all topics of the group, and has one transactional id.

    All topics have the same number of partitions, at least ``shards``. ``limits``: bytes that each topic takes.
    """

    exclusive = True

    def __init__(
        self,
        *,
        cluster: Cluster,
        shards: int,
        limits: Mapping[str, int] | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._cluster = cluster
        self._shards = shards
        self._limits = Limits(limits)
        self._failpoints = failpoints
        self._partition_count = 0
        self._producers: dict[int, Transactions] = {}
        self._queues: list[TransactionQueue] = []
        self.assignor = ShardAssignor(shards=shards)

    @property
    def refusal(self) -> PartitionsUnequal | None:
        return self.assignor.refusal

    def check(self, group: str, counts: Mapping[str, int]) -> None:
        self._partition_count = equal_count(counts)
        if self._partition_count < self._shards:
            msg = (
                f"Group {group} counts {self._shards} shards, but its topics have {self._partition_count} partitions: "
                f"set the service's number of shards (such as ROUTER_SHARDS) to {self._partition_count} or less."
            )
            raise PartitionsUnequal(msg)

    async def acquire(self, assignment: Assignment) -> Sequence[FencedShard]:
        labels = service_and_lane(assignment.group, prefix=assignment.prefix)
        metrics.shards.labels(*labels).set(self._shards)
        partitions = self._by_shard(assignment)
        # The order is the promise: first the former owner is fenced, then it is asked where it stopped.
        await self._fence(assignment, partitions)
        positions = await _committed(assignment, assignment.partitions)
        return [
            FencedShard(
                number=number,
                positions={partition: positions[partition] for partition in owned},
                assignment=assignment,
                partition_count=self._partition_count,
                queue=self._queue(number, assignment),
            )
            for number, owned in partitions.items()
        ]

    def _by_shard(self, assignment: Assignment) -> Mapping[int, list[TopicPartition]]:
        partitions: dict[int, list[TopicPartition]] = defaultdict(list)
        for partition in sorted(assignment.partitions):
            partitions[shard_of(partition.partition, self._shards)].append(partition)
        return partitions

    def _queue(self, number: int, assignment: Assignment) -> TransactionQueue:
        queue = TransactionQueue(
            transactions=self._producers[number], limits=self._limits, failed=assignment.fail
        )
        self._queues.append(queue)
        return queue

    async def _fence(self, assignment: Assignment, shards: Collection[int]) -> None:
        group = assignment.group
        for number in shards:
            self._producers[number] = self._cluster.transactions(
                transactional_id=f"{group}.{number}",
                group=group,
                limits=self._limits,
                failpoints=self._failpoints,
            )
        try:
            async with asyncio.timeout(assignment.timeouts.fence_timeout):
                await self._failpoints.reach("before_fence")
                # All of them are waited for: one that went on by itself could fence an owner that came after us.
                results = await asyncio.gather(
                    *(producer.open() for producer in self._producers.values()), return_exceptions=True
                )
                for result in results:
                    if isinstance(result, BaseException):
                        raise result
                await self._failpoints.reach("after_fence")
        except TimeoutError as exc:
            raise OwnershipLost(
                f"The former owners of the shards of {group} could not be fenced: {exc!r}."
            ) from exc

    async def release(self) -> None:
        queues, self._queues = self._queues, []
        producers, self._producers = self._producers, {}
        reason = OwnershipLost("The shard was released.")
        try:
            await asyncio.gather(*(queue.close(reason) for queue in queues))
        finally:  # also of transactions that took too long to be waited for
            await asyncio.gather(*(producer.close() for producer in producers.values()))


class Plain:
    """One shard of everything this member was given; offsets are committed after the work, so that it may be done twice.

    Partitions are given out by ``shards``, as in `Fenced`, so all topics have the same number of partitions. All members of a group must use the same assignor, and members of
    the release before use this one: with another, a rolling update could not finish.
    """

    exclusive = False

    def __init__(self, *, shards: int) -> None:
        self.assignor = ShardAssignor(shards=shards)

    @property
    def refusal(self) -> PartitionsUnequal | None:
        return self.assignor.refusal

    def check(self, group: str, counts: Mapping[str, int]) -> None:  # noqa: ARG002 - the sentence names the topics
        equal_count(counts)

    async def acquire(self, assignment: Assignment) -> list[Shard]:
        if not assignment.partitions:
            return []
        positions = await _committed(assignment, assignment.partitions)
        return [Shard(number=0, positions=positions, assignment=assignment)]

    async def release(self) -> None:
        """Nothing was opened."""


class StoredPositions:
    """One shard of everything this member was given. Reading begins where ``store`` says, and where it says nothing, at the
    group's committed offset. Of two owners the store refuses the one that does not know its newest position."""

    exclusive = False
    assignor: Assignor = RoundRobinPartitionAssignor
    refusal = None

    def __init__(self, store: ProjectionStore) -> None:
        self._store = store

    def check(self, group: str, counts: Mapping[str, int]) -> None:
        """Any counts do."""

    async def acquire(self, assignment: Assignment) -> list[StoredShard]:
        if not assignment.partitions:
            return []
        positions, stored = await _stored_positions(self._store, assignment)
        return [StoredShard(positions=positions, stored=stored, assignment=assignment)]

    async def release(self) -> None:
        """Nothing was opened."""


class FencedStored(Fenced):
    """`Fenced`, but reading begins where ``store`` says, as with `StoredPositions`."""

    def __init__(
        self,
        store: ProjectionStore,
        *,
        cluster: Cluster,
        shards: int,
        limits: Mapping[str, int] | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        super().__init__(cluster=cluster, shards=shards, limits=limits, failpoints=failpoints)
        self._store = store

    async def acquire(self, assignment: Assignment) -> list[FencedStoredShard]:
        partitions = self._by_shard(assignment)
        await self._fence(assignment, partitions)
        positions, stored = await _stored_positions(self._store, assignment)
        return [
            FencedStoredShard(
                number=number,
                positions={partition: positions[partition] for partition in owned},
                stored={partition: stored[partition] for partition in owned},
                assignment=assignment,
                partition_count=self._partition_count,
                queue=self._queue(number, assignment),
            )
            for number, owned in partitions.items()
        ]


async def _stored_positions(
    store: ProjectionStore, assignment: Assignment
) -> tuple[dict[TopicPartition, CommittedOffset], dict[TopicPartition, int | None]]:
    """Where reading begins, and what the store holds: None where it holds nothing. Then the group's committed offset counts, unless that is
    a copy of a position: the rows up to there are gone with it, and are made again from all that is kept."""
    if not assignment.partitions:
        return {}, {}
    held = dict(await store.load_positions(sorted(assignment.partitions)))
    held |= await _moved(store, assignment, held)
    never_stored = [partition for partition in assignment.partitions if partition not in held]
    positions = {partition: CommittedOffset(offset) for partition, offset in held.items()}
    copies = await _copied(assignment, never_stored)
    positions |= copies
    positions |= await _first_read(
        assignment, [partition for partition in never_stored if partition not in copies]
    )
    positions |= await _committed(
        assignment, [partition for partition in never_stored if partition not in positions]
    )
    return positions, {partition: held.get(partition) for partition in assignment.partitions}


async def _copied(
    assignment: Assignment, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, CommittedOffset]:
    """The beginning of each partition whose committed offset is a copy."""
    member = assignment.member
    committed = await member.committed(partitions) if partitions else {}
    copies = [partition for partition, commit in committed.items() if read_note(commit.metadata).copied]
    kept = await member.kept(copies) if copies else {}
    for partition, range_now in kept.items():
        log.warning(
            "the store has lost its rows, making them again from what is kept",
            group=assignment.group,
            partition=f"{partition.topic}/{partition.partition}",
            had_come_to=committed[partition].offset,
            begins_at=range_now.start,
        )
    return {partition: CommittedOffset(range_now.start) for partition, range_now in kept.items()}


async def _first_read(
    assignment: Assignment, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, CommittedOffset]:
    """The beginning of each partition that keeps all it ever had and that nobody has read, neither the store nor the group. A topic that a new
    release adds is begun so while members of the former one are at work, when no command can commit for the group."""
    member = assignment.member
    committed = await member.committed(partitions) if partitions else {}
    unread = [partition for partition in partitions if partition not in committed]
    kept = await member.kept(unread) if unread else {}
    first = {partition: CommittedOffset(0) for partition in unread if kept[partition].start == 0}
    if first:
        await _commit(assignment, first)
    return first


async def _moved(
    store: ProjectionStore, assignment: Assignment, stored: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The positions that are no longer kept, moved to where a person has accepted to go on. What nobody has accepted is committed in
    the group, so that the command finds it there as it does for every other group."""
    member = assignment.member
    kept = await member.kept(stored)
    lost = {partition: offset for partition, offset in stored.items() if not kept[partition].holds(offset)}
    if not lost:
        return {}
    committed = await member.committed(lost)
    accepted = {
        partition: commit.offset
        for partition, commit in committed.items()
        if read_note(commit.metadata).lost_from == lost[partition]
    }
    if open_ones := {
        partition: CommittedOffset(offset) for partition, offset in lost.items() if partition not in accepted
    }:
        await _commit(assignment, open_ones)
        check_kept(assignment.group, open_ones, kept)
    moves = [
        PartitionBatch(partition=partition, records=[], expected=lost[partition], next=offset)
        for partition, offset in accepted.items()
    ]
    await store.apply(moves)
    await _count_losses(assignment, {partition: committed[partition] for partition in accepted})
    return accepted


async def _committed(
    assignment: Assignment, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, CommittedOffset]:
    """The committed offset of each; OffsetMissing or OffsetsNotKept, which name the command that mends it."""
    if not partitions:
        return {}
    member = assignment.member
    committed = await member.committed(partitions)
    missing = [partition for partition in partitions if partition not in committed]
    if missing:
        raise offset_missing(assignment.group, missing)
    check_kept(assignment.group, committed, await member.kept(committed))
    return committed | await _count_losses(assignment, committed)


async def _count_losses(
    assignment: Assignment, committed: Mapping[TopicPartition, CommittedOffset]
) -> dict[TopicPartition, CommittedOffset]:
    """Count what a person has accepted as lost, and commit the same offsets again without the note, so that it is counted once."""
    counted: dict[TopicPartition, CommittedOffset] = {}
    labels = service_and_lane(assignment.group, prefix=assignment.prefix)
    for partition, commit in committed.items():
        note = read_note(commit.metadata)
        if note.lost_from is None:
            continue
        kind, _ = kind_and_lane(partition.topic, prefix=assignment.prefix)
        lost = max(0, commit.offset - note.lost_from)
        metrics.records_lost.labels(*labels, kind).inc(lost)
        log.warning(
            "records were lost, reading on with what is kept",
            group=assignment.group,
            partition=f"{partition.topic}/{partition.partition}",
            lost_from=note.lost_from,
            read_on_at=commit.offset,
        )
        counted[partition] = CommittedOffset(commit.offset, write_note(CommitNote(read_back=note.read_back)))
    if counted:
        await _commit(assignment, counted)
    return counted


async def _commit(assignment: Assignment, positions: Mapping[TopicPartition, CommittedOffset]) -> None:
    """OwnershipLost when the group refuses, or does not answer: the next owner does it again."""
    if not await assignment.member.commit(positions):
        raise OwnershipLost(f"The group {assignment.group} did not answer a commit of offsets.")
