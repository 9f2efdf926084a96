"""The cluster in memory, and the clients it makes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from tocsin.kafka import (
    Cluster,
    CommittedOffset,
    ConsumerRecord,
    Limits,
    NotStored,
    ProducerRecord,
    RecordMetadata,
    TopicPartition,
    TransactionFailed,
)
from tocsin.kafka.client.offsets import topic_missing
from tocsin.kafka.consume.member import MemberSpec
from tocsin.kafka.produce.transactional_producer import Transactions
from tocsin.runtime import Check, Clock, SystemClock
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.testing.kafka.group import MemoryGroup, MemoryMember
from tocsin.testing.kafka.log import Logs

_READ_AT_ONCE = 500


class MemoryCluster(Cluster):
    """A cluster of one process, for one event loop. ``clock`` gives the append times of records."""

    def __init__(self, *, clock: Clock | None = None, prefix: str = "tocsin.") -> None:
        self._prefix = prefix
        self.logs = Logs(clock or SystemClock())
        self._groups: dict[str, MemoryGroup] = {}
        self.epochs: Counter[str] = Counter()
        """How often each transactional id was taken over."""

    @property
    def prefix(self) -> str:
        return self._prefix

    def create(self, *topics: str, partitions: int = 4) -> None:
        """Topics that do not exist yet."""
        for topic in topics:
            self.logs.create(topic, partitions)

    def group(self, name: str) -> MemoryGroup:
        """The group, with its members and committed offsets."""
        return self._groups.setdefault(name, MemoryGroup(name, self.logs))

    def start(self, group: str, *topics: str, metadata: str = "") -> None:
        """Commit the first offset of every partition for the group, as `tocsin topics apply` does."""
        for topic in topics:
            for number in range(len(self.logs.of(topic))):
                self.group(group).committed.setdefault(
                    TopicPartition(topic, number), CommittedOffset(0, metadata)
                )

    def read(self, topic: str) -> list[ConsumerRecord]:
        """Every committed record of the topic, by partition and offset."""
        return [record for log in self.logs.of(topic) for record in log.read(0)[0]]

    async def wait_for_topics(self, topics: Iterable[str], *, check: Check) -> dict[str, int]:
        names = list(topics)
        while missing := set(names) - self.logs.topics:
            check.set_not_ready(f"waiting for Kafka: {topic_missing(missing)}")
            await self.logs.changed()
        return {name: len(self.logs.of(name)) for name in names}

    async def committed(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, CommittedOffset]:
        await asyncio.sleep(0)  # a call over the network lets others run
        committed = self.group(group).committed
        return {place: committed[place] for place in partitions if place in committed}

    def member(self, spec: MemberSpec) -> MemoryMember:
        return MemoryMember(spec, group=self.group(spec.group), logs=self.logs)

    def transactions(
        self, *, transactional_id: str, group: str, limits: Limits, failpoints: Failpoints = NO_FAILPOINTS
    ) -> "MemoryTransactions":
        return MemoryTransactions(
            self, transactional_id, group=self.group(group), limits=limits, failpoints=failpoints
        )


class MemoryTransactions(Transactions):
    """One transactional id, as one of its owners holds it."""

    def __init__(
        self,
        cluster: MemoryCluster,
        transactional_id: str,
        *,
        group: MemoryGroup,
        limits: Limits,
        failpoints: Failpoints,
    ) -> None:
        self._logs = cluster.logs
        self._epochs = cluster.epochs
        self._id = transactional_id
        self._group = group
        self._limits = limits
        self._failpoints = failpoints
        self._epoch: int | None = None

    async def open(self) -> None:
        await asyncio.sleep(0)  # a call over the network lets others run
        self._epochs[self._id] += 1
        self._epoch = self._epochs[self._id]
        self._logs.end_transaction(self._id, commit=False)

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        self._limits.check(outgoing)
        placed = await self._logs.place(outgoing)
        self._check_epoch()
        self._logs.append(placed, transactional_id=self._id)
        await self._failpoints.reach("after_produce")
        if offsets:
            await self._failpoints.reach("after_offsets")
        await self._failpoints.reach("before_commit")
        self._check_epoch()
        self._logs.end_transaction(self._id, commit=True)
        self._group.committed |= offsets
        await self._failpoints.reach("after_commit")

    async def close(self) -> None:
        """An open transaction is left for the next owner to end."""
        self._epoch = None

    def _check_epoch(self) -> None:
        if self._epoch is None:
            raise TransactionFailed(f"The producer of {self._id} is not open.")
        if self._epoch != self._epochs[self._id]:
            raise TransactionFailed(f"A newer owner of {self._id} fenced this process.")


class MemoryPublisher:
    """`tocsin.kafka.Publisher` on a cluster in memory. The next calls raise ``failures``, one each; while ``flowing`` is
    cleared, calls wait, and end as NotStored at their deadline. Neither stores anything."""

    def __init__(self, cluster: MemoryCluster, *, limits: Mapping[str, int] | None = None) -> None:
        self.failures: list[Exception] = []
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._logs = cluster.logs
        self._limits = Limits(limits)

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        """Store all records, in the order given."""
        self._limits.check(records)
        if self.failures:
            raise self.failures.pop(0)
        try:
            async with asyncio.timeout(timeout):
                await self.flowing.wait()
                placed = await self._logs.place(records)
        except TimeoutError as exc:
            raise NotStored(f"No acknowledgement within {timeout:g} s.") from exc
        return self._logs.append(placed)


class MemoryOffsets:
    """What dispatchers use of `tocsin.kafka.Offsets`, of a cluster in memory."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._logs = cluster.logs

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The high watermark of each, also when transactions are open below it."""
        return {partition: self._logs.at(partition).end for partition in partitions}

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset still kept, of each: everything is."""
        return dict.fromkeys(partitions, 0)

    async def read_log(
        self, *, topic: str, partitions: Sequence[int], start: Mapping[int, int]
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """`read_to_end`: all that is committed, a partition at a time."""
        for number in partitions:
            log = self._logs.at(TopicPartition(topic, number))
            end, position = log.end, start[number]
            while position < end:
                if position >= log.stable:
                    await self._logs.changed()  # a transaction is open there
                    continue
                records, position = log.read(position, _READ_AT_ONCE)
                yield records
