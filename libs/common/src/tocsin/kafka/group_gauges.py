"""What a group shows of itself on /metrics."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from prometheus_client import Counter

from tocsin.kafka.errors import TransactionFailed
from tocsin.kafka.partition_gauges import PartitionGauges
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.seams import position_now
from tocsin.kafka.slot import Slot
from tocsin.kafka.topic_labels import kind_and_lane, service_and_lane
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock


class GroupGauges:
    """The metrics of one group; its children are looked up once."""

    def __init__(self, *, group: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._labels = service_and_lane(group, prefix=prefix)
        self._seconds = metrics.transaction_seconds.labels(*self._labels)
        self._committed = metrics.transactions.labels(*self._labels, "committed")
        self._consumed: dict[str, Counter] = {}
        self._partitions = PartitionGauges(labels=self._labels, prefix=prefix, clock=clock)

    def consumed(self, topic: str, records: int) -> None:
        """Records were read."""
        if topic not in self._consumed:
            kind, _ = kind_and_lane(topic, prefix=self._prefix)
            self._consumed[topic] = metrics.consumed.labels(*self._labels, kind)
        self._consumed[topic].inc(records)

    def transaction(self, seconds: float) -> None:
        """A transaction committed."""
        self._seconds.observe(seconds)
        self._committed.inc()

    def assigned(self) -> None:
        """The broker gave out the partitions anew."""
        metrics.rebalances.labels(*self._labels).inc()

    def taken(self, slots: int, seconds: float | None) -> None:
        """So many slots are held now; ``seconds`` from the assignment to reading."""
        metrics.slots_held.labels(*self._labels).set(slots)
        if seconds is not None:
            metrics.slot_take_seconds.labels(*self._labels).observe(seconds)

    def failed(self, exc: BaseException) -> None:
        """The process is about to end."""
        if isinstance(exc, TransactionFailed):
            metrics.transactions.labels(*self._labels, "failed").inc()
            if "fenced" in str(exc):
                metrics.fenced.labels(*self._labels).inc()

    def show(self, consumer: AIOKafkaConsumer, held: Mapping[int, Slot]) -> None:
        """Lag and stable offsets of what is held; what is held no more is shown no more."""
        for slot in held.values():
            for partition in slot.positions:
                self._show(consumer, slot, partition)
        self._partitions.keep_only([partition for slot in held.values() for partition in slot.positions])
        metrics.paused_partitions.labels(*self._labels).set(
            sum(len(slot.positions) for slot in held.values() if slot.full)
        )

    def _show(self, consumer: AIOKafkaConsumer, slot: Slot, partition: TopicPartition) -> None:
        theirs = AioTopicPartition(*partition)
        end, stable = consumer.highwater(theirs), consumer.last_stable_offset(theirs)
        if end is None or stable is None:
            return
        unread = slot.first_unread(partition)
        position = position_now(consumer, partition) if unread is None else unread.offset
        oldest = slot.progress.oldest_ms(partition)
        if oldest is None and unread is not None:
            oldest = unread.timestamp_ms
        behind = slot.progress.behind(partition, position=position, end=end)
        self._partitions.show(partition, behind=behind, oldest_ms=oldest, stable=stable, end=end)
