"""What a group shows of each partition it holds: how far behind, for how long, and what holds it up."""

from collections.abc import Collection

from tocsin.kafka.records import TopicPartition
from tocsin.kafka.topic_labels import kind_and_lane
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock

_GAUGES = (metrics.lag_messages, metrics.lag_seconds, metrics.stable_offset_age_seconds)


class PartitionGauges:
    """``labels`` are the group's (service, lane). What was shown stays until `keep_only` leaves it out."""

    def __init__(self, *, labels: tuple[str, str], prefix: str, clock: Clock) -> None:
        self._labels = labels
        self._prefix = prefix
        self._clock = clock
        self._stable: dict[TopicPartition, tuple[int, float]] = {}

    def show(
        self, partition: TopicPartition, *, behind: int, oldest_ms: int | None, stable: int, end: int
    ) -> None:
        """``behind`` records wait, the oldest of them since ``oldest_ms`` (None: none is known to wait);
        readers of committed records come to ``stable``, the log to ``end``."""
        labels = self._of(partition)
        age = 0.0 if oldest_ms is None else max(0.0, (self._clock.time_ms() - oldest_ms) / 1000)
        metrics.lag_messages.labels(*labels).set(behind)
        metrics.lag_seconds.labels(*labels).set(age)
        metrics.stable_offset_age_seconds.labels(*labels).set(self._stuck(partition, stable, end))

    def keep_only(self, held: Collection[TopicPartition]) -> None:
        """What is held no more is shown no more."""
        for partition in self._stable.keys() - set(held):
            del self._stable[partition]
            for gauge in _GAUGES:
                gauge.remove(*self._of(partition))

    def _stuck(self, partition: TopicPartition, stable: int, end: int) -> float:
        """For how long the last stable offset has stood where it stands, with records behind it."""
        now = self._clock.monotonic()
        seen = self._stable.get(partition)
        if seen is None or seen[0] != stable or stable >= end:
            self._stable[partition] = (stable, now)
            return 0.0
        return now - seen[1]

    def _of(self, partition: TopicPartition) -> tuple[str, str, str, str]:
        kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
        return (*self._labels, kind, str(partition.partition))
