"""A table made of a log: rows and position live in one database transaction, so each record counts exactly once."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.consume.shard import Batch, FencedStoredShard, StoredShard
from tocsin.kafka.records import ConsumerRecord, TopicPartition


class PartitionBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one partition, in offset order.

    ``expected`` is the position the store must still hold for them to count; None when it held none as the
    partition was acquired. ``next`` is the position to hold afterwards.
    """

    partition: TopicPartition
    records: Sequence[ConsumerRecord]
    expected: int | None
    next: int


class ProjectionStore(Protocol):
    """What keeps rows and positions together."""

    async def load_positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions held for these partitions; a partition it has never seen is left out."""
        ...

    async def apply(self, batches: Sequence[PartitionBatch]) -> None:
        """Keep the rows and move the positions, in one transaction, or neither. Raises OwnershipLost when a
        position is not the expected one: another process has the partition.
        ConsumptionStopped keeps the process but reads no further. Whatever else it raises ends the process."""
        ...


class ShardRows:
    """The rows of one shard, as far as its records were handed to ``keep``, which does what `ProjectionStore.apply` promises."""

    def __init__(
        self,
        keep: Callable[[Sequence[PartitionBatch]], Awaitable[None]],
        shard: StoredShard | FencedStoredShard,
    ) -> None:
        self._keep = keep
        self._shard = shard
        self._expected = dict(shard.stored)
        self._due = {partition: committed.offset for partition, committed in shard.positions.items()}

    async def apply(self, batch: Batch) -> None:
        """Rows and positions of the batch, which follows the one before."""
        records: dict[tuple[str, int], list[ConsumerRecord]] = defaultdict(list)
        for record in batch.records:
            records[record.topic, record.partition].append(record)
        for place, in_order in records.items():
            if in_order[0].offset < self._due[TopicPartition(*place)]:
                msg = f"{in_order[0].ref} was read where {self._due[TopicPartition(*place)]} was due."
                raise RuntimeError(msg)
        batches = [
            PartitionBatch(
                partition=(partition := TopicPartition(*place)),
                records=in_order,
                expected=self._expected[partition],
                next=in_order[-1].offset + 1,
            )
            for place, in_order in records.items()
        ]
        await self._keep(batches)
        self._due |= {applied.partition: applied.next for applied in batches}
        self._expected |= {applied.partition: applied.next for applied in batches}
        self._shard.note_committed({applied.partition: CommittedOffset(applied.next) for applied in batches})


class Projection:
    """Hands what is read to ``store``, many partitions at a time, at most ``batch_records`` at once."""

    def __init__(self, store: ProjectionStore, *, batch_records: int = 5_000) -> None:
        self._store = store
        self._batch_records = batch_records

    async def work(self, shard: StoredShard) -> None:
        """Apply the shard's records until it is revoked; the call under way then ends first."""
        rows = ShardRows(self._store.apply, shard)
        while batch := await shard.take(max_records=self._batch_records, max_bytes=None):
            await rows.apply(batch)
