"""What a projection hands over, and what takes it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tocsin.kafka.records import Record, TopicPartition


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one partition, in offset order.

    ``expected`` is the position the store must still hold for them to count; None when it held none as the
    partition was taken. ``next`` is the position to hold afterwards.
    """

    partition: TopicPartition
    records: Sequence[Record]
    expected: int | None
    next: int


class ProjectionStore(Protocol):
    """What keeps rows and positions together."""

    async def take(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions held for these partitions; a partition it has never seen is left out."""
        ...

    async def store(self, chunks: Sequence[Chunk]) -> None:
        """Keep the rows and move the positions, in one transaction, or neither. Raises OwnershipLost when a
        position is not the expected one: another process has the partition, and this one ends.
        ConsumptionStopped keeps the process but reads no further. Whatever else it raises ends the process."""
        ...
