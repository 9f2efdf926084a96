"""Records packed into batches, one call to the producer for many of them."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from random import randrange
from typing import Any, Generic, Protocol, TypeVar

from tocsin.kafka.errors import RecordTooLarge
from tocsin.kafka.produce.partitioner import partition_for
from tocsin.kafka.records import BATCH_OVERHEAD, ProducerRecord, TopicPartition

DEFAULT_LIMIT = 1_048_576
# Larger batches gain nothing more, and a broker refuses a batch larger than its topic takes.
BATCH_BYTES = 262_144


class BatchBuilder(Protocol):
    """aiokafka's builder: `append` answers None, and drops the record, when the batch is full."""

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Any]
    ) -> Any: ...

    def close(self) -> None: ...


Builder = TypeVar("Builder", bound=BatchBuilder)


@dataclass(slots=True)
class Packed(Generic[Builder]):
    """One closed batch for one partition; ``indexes`` says which of the given records it holds, in order."""

    partition: TopicPartition
    builder: Builder
    indexes: list[int] = field(default_factory=list)
    size: int = BATCH_OVERHEAD


class Limits:
    """What topics take, in bytes of one record with its batch around it."""

    def __init__(self, limits: Mapping[str, int] | None) -> None:
        self._limits = dict(limits or {})

    def of(self, topic: str) -> int:
        """The largest record of the topic: 1 MiB where nothing is said."""
        return self._limits.get(topic, DEFAULT_LIMIT)

    def sizes(self, records: Iterable[ProducerRecord]) -> list[int]:
        """The bytes of each; RecordTooLarge for the first record that its topic would refuse."""
        sizes = list[int]()
        for record in records:
            size = record.size
            if size > self.of(record.topic):
                raise RecordTooLarge(topic=record.topic, size=size, limit=self.of(record.topic))
            sizes.append(size)
        return sizes

    def check(self, records: Iterable[ProducerRecord]) -> int:
        """All bytes together; RecordTooLarge for the first record that its topic would refuse."""
        return sum(self.sizes(records))


def pack(
    records: Sequence[tuple[int, int, ProducerRecord]],
    *,
    new_builder: Callable[[], Builder],
    limits: Limits,
) -> list[Packed[Builder]]:
    """Closed batches of (index, partition, record), in the order of the records per partition.

    The first batch of every partition comes before the second of any, since a producer takes one batch of a
    partition at a time. Every record is in exactly one batch.
    """
    open_batches: dict[TopicPartition, list[Packed[Builder]]] = defaultdict(list)
    for index, number, record in records:
        partition = TopicPartition(record.topic, number)
        batches = open_batches[partition]
        most = min(BATCH_BYTES, limits.of(record.topic))
        added = record.size - BATCH_OVERHEAD
        if not batches or batches[-1].size + added > most:
            batches.append(Packed(partition, new_builder()))
        if not _append(batches[-1], index, record):
            batches.append(Packed(partition, new_builder()))
            if not _append(batches[-1], index, record):
                raise RecordTooLarge(topic=record.topic, size=record.size, limit=most)
        batches[-1].size += added
    packed = [batch for turn in zip_longest(*open_batches.values()) for batch in turn if batch is not None]
    for batch in packed:
        batch.builder.close()
    return packed


def _append(batch: Packed[Builder], index: int, record: ProducerRecord) -> bool:
    added = batch.builder.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    if added is None:
        return False
    batch.indexes.append(index)
    return True


class Partitions:
    """Where records go. The number of partitions of a topic is fixed, so it is asked once."""

    def __init__(self, ask: Callable[[str], Awaitable[set[int]]]) -> None:
        self._ask = ask
        self._counts: dict[str, int] = {}

    async def place(self, records: Sequence[ProducerRecord]) -> list[tuple[int, int, ProducerRecord]]:
        """(index, partition, record) for each."""
        await self.learn(records)
        return [(index, self.of(record), record) for index, record in enumerate(records)]

    def know(self, records: Iterable[ProducerRecord]) -> bool:
        """Whether there is nothing to ask for these records."""
        return all(record.topic in self._counts for record in records)

    async def learn(self, records: Iterable[ProducerRecord]) -> None:
        """Ask what is not known yet of the topics of these records."""
        for record in records:
            if record.topic not in self._counts:
                self._counts[record.topic] = len(await self._ask(record.topic))

    def of(self, record: ProducerRecord) -> int:
        """The record's partition, once its topic is known."""
        return _partition(record, self._counts[record.topic])


def _partition(record: ProducerRecord, count: int) -> int:
    if record.partition is None:
        return partition_for(record.key, count) if record.key is not None else randrange(count)
    if not 0 <= record.partition < count:
        msg = f"{record.topic} has {count} partitions; there is no partition {record.partition}."
        raise ValueError(msg)
    return record.partition
