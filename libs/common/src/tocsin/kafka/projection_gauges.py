"""What a projection shows of itself on /metrics."""

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition

from tocsin.kafka.records import Record, TopicPartition
from tocsin.kafka.seams import position_now
from tocsin.kafka.topic_labels import kind_and_lane, service_and_lane
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock

_GAUGES = (metrics.lag_messages, metrics.lag_seconds, metrics.stable_offset_age_seconds)


class ProjectionGauges:
    """The metrics of one projection's group."""

    def __init__(self, *, group: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._labels = service_and_lane(group, prefix=prefix)
        self._latest_ms: dict[TopicPartition, int] = {}
        self._stable: dict[TopicPartition, tuple[int, float]] = {}
        self._shown: set[TopicPartition] = set()

    def assigned(self) -> None:
        """The broker gave out the partitions anew."""
        metrics.rebalances.labels(*self._labels).inc()

    def stored(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        """These records count now."""
        kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
        metrics.consumed.labels(*self._labels, kind).inc(len(records))
        self._latest_ms[partition] = records[-1].timestamp_ms

    def show(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], *, idle: bool
    ) -> None:
        """How far behind each partition is, and whether an open transaction holds it up. ``idle``: nothing
        that was read is still being stored, so that reading to the end is being at the end."""
        for partition, position in positions.items():
            theirs = AioTopicPartition(*partition)
            if theirs not in consumer.assignment():
                continue
            end, stable = consumer.highwater(theirs), consumer.last_stable_offset(theirs)
            if end is None or stable is None:
                continue
            self._shown.add(partition)
            labels = self._partition_labels(partition)
            read_to = position_now(consumer, partition) if idle else position
            behind = max(0, stable - max(position, read_to))
            metrics.lag_messages.labels(*labels).set(behind)
            metrics.lag_seconds.labels(*labels).set(self._waiting(partition, behind))
            metrics.stable_offset_age_seconds.labels(*labels).set(self._stuck(partition, stable, end))

    def forget(self) -> None:
        """Nothing is held any more."""
        for partition in self._shown:
            for gauge in _GAUGES:
                gauge.remove(*self._partition_labels(partition))
        self._shown, self._stable, self._latest_ms = set(), {}, {}

    def _waiting(self, partition: TopicPartition, behind: int) -> float:
        """The age of the latest record stored, while others wait behind it."""
        latest = self._latest_ms.get(partition)
        if behind == 0 or latest is None:
            return 0.0
        return max(0.0, (self._clock.time_ms() - latest) / 1000)

    def _stuck(self, partition: TopicPartition, stable: int, end: int) -> float:
        now = self._clock.monotonic()
        seen = self._stable.get(partition)
        if seen is None or seen[0] != stable or stable >= end:
            self._stable[partition] = (stable, now)
            return 0.0
        return now - seen[1]

    def _partition_labels(self, partition: TopicPartition) -> tuple[str, str, str, str]:
        kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
        return (*self._labels, kind, str(partition.partition))
