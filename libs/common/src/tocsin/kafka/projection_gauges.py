"""What a projection shows of itself on /metrics."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition

from tocsin.kafka.partition_gauges import PartitionGauges
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.seams import position_now
from tocsin.kafka.topic_labels import kind_and_lane, service_and_lane
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock


class ProjectionGauges:
    """The metrics of one projection's group."""

    def __init__(self, *, group: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._labels = service_and_lane(group, prefix=prefix)
        self._partitions = PartitionGauges(labels=self._labels, prefix=prefix, clock=clock)
        self._handed: dict[TopicPartition, int] = {}
        self._nothing_older: dict[TopicPartition, int] = {}
        self._first_look: dict[TopicPartition, int] = {}

    def assigned(self) -> None:
        """The broker gave out the partitions anew."""
        metrics.rebalances.labels(*self._labels).inc()

    def handed(self, partition: TopicPartition, *, oldest_ms: int) -> None:
        """Records of the partition were read and are to be stored; the broker has had the first since ``oldest_ms``."""
        self._handed[partition] = oldest_ms

    def dropped(self) -> None:
        """What was read will be read again."""
        self._handed = {}

    def stored(self, partition: TopicPartition, *, records: int, latest_ms: int) -> None:
        """They count now. Whatever else waits came after ``latest_ms``."""
        kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
        metrics.consumed.labels(*self._labels, kind).inc(records)
        self._handed.pop(partition, None)
        self._nothing_older[partition] = max(latest_ms, self._nothing_older.get(partition, 0))

    def show(self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
        """How far behind each partition is, and whether an open transaction holds it up."""
        for partition, position in positions.items():
            theirs = AioTopicPartition(*partition)
            if theirs not in consumer.assignment():
                continue
            end, stable = consumer.highwater(theirs), consumer.last_stable_offset(theirs)
            if end is None or stable is None:
                continue
            # With nothing under way, reading to the end is being at the end: markers of transactions are no records.
            read_to = position if partition in self._handed else position_now(consumer, partition)
            behind = max(0, stable - max(position, read_to))
            oldest = self._oldest_ms(partition, behind)
            self._partitions.show(partition, behind=behind, oldest_ms=oldest, stable=stable, end=end)

    def forget(self) -> None:
        """Nothing is held any more."""
        self._partitions.keep_only([])
        self._handed, self._nothing_older, self._first_look = {}, {}, {}

    def _oldest_ms(self, partition: TopicPartition, behind: int) -> int | None:
        """Of what is being stored, its oldest. Of what the broker only announced nobody knows the time yet: it came
        after the latest record stored, and after the last look that saw nothing waiting. Before the first record
        is read, what counts is for how long we know that any waits."""
        if partition in self._handed:
            return self._handed[partition]
        now = self._clock.time_ms()
        if behind == 0:
            self._nothing_older[partition] = now
            return None
        if partition in self._nothing_older:
            return self._nothing_older[partition]
        return self._first_look.setdefault(partition, now)
