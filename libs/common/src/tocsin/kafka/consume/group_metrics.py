"""What a consumer group shows on /metrics: what it read, what it owns, and how far behind it is."""

from collections.abc import Callable, Collection, Iterable, Mapping

from tocsin.kafka.consume.member import Member
from tocsin.kafka.consume.shard import Shard
from tocsin.kafka.errors import LOSSES
from tocsin.kafka.lag import LogEnds, kind_and_lane, service_and_lane
from tocsin.kafka.records import TopicPartition
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock


class GroupMetrics:
    """The metrics of one consumer group in this process."""

    def __init__(self, *, group: str, topics: Iterable[str], prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._labels = service_and_lane(group, prefix=prefix)
        component, lane = self._labels
        metrics.begin_at_zero(metrics.rebalances, [component], [lane])
        metrics.begin_at_zero(metrics.rejoins, [component], [lane], LOSSES)
        kinds = {kind_and_lane(topic, prefix=prefix)[0] for topic in topics}
        metrics.begin_at_zero(metrics.records_lost, [component], [lane], kinds)
        self._consumed: dict[str, Callable[[float], None]] = {}
        self._stable: dict[TopicPartition, tuple[int, float]] = {}
        """The last stable offset of each partition that is shown, and since when (monotonic) it stands there."""

    def consumed(self, topic: str, records: int) -> None:
        """Records were read."""
        if topic not in self._consumed:
            kind, _ = kind_and_lane(topic, prefix=self._prefix)
            self._consumed[topic] = metrics.consumed.labels(*self._labels, kind).inc
        self._consumed[topic](records)

    def assigned(self) -> None:
        """The broker gave out the partitions anew."""
        metrics.rebalances.labels(*self._labels).inc()

    def rejoins(self, cause: str) -> None:
        """Ownership was lost; the group is joined anew."""
        metrics.rejoins.labels(*self._labels, cause).inc()

    def unusable(self, partitions: int) -> None:
        """So many partitions wait for a person to mend their offsets."""
        metrics.unusable_offsets.labels(*self._labels).set(partitions)

    def acquired(self, shards: int, seconds: float) -> None:
        """So many shards are held now; ``seconds`` from the assignment to reading."""
        metrics.shards_held.labels(*self._labels).set(shards)
        metrics.shard_acquire_seconds.labels(*self._labels).observe(seconds)

    def released(self) -> None:
        """Nothing is held any more, so nothing is shown."""
        metrics.shards_held.labels(*self._labels).set(0)
        metrics.paused_partitions.labels(*self._labels).set(0)
        self._show_only([])

    def show(self, member: Member, shards: Mapping[int, Shard]) -> None:
        """Lag and stable offsets of what is held; what is held no more is shown no more."""
        held = [(shard, partition) for shard in shards.values() for partition in shard.positions]
        for shard, partition in held:
            ends = member.log_ends(partition)
            if ends is None:
                continue
            behind, oldest_ms = shard.lag[partition].behind(unread=shard.first_unread(partition), ends=ends)
            age = 0.0 if oldest_ms is None else max(0.0, (self._clock.time_ms() - oldest_ms) / 1000)
            labels = self._labels_of(partition)
            metrics.lag_messages.labels(*labels).set(behind)
            metrics.lag_seconds.labels(*labels).set(age)
            metrics.stable_offset_age_seconds.labels(*labels).set(self._stuck(partition, ends))
        self._show_only([partition for _, partition in held])
        metrics.paused_partitions.labels(*self._labels).set(sum(shard.full for shard, _ in held))

    def _stuck(self, partition: TopicPartition, ends: LogEnds) -> float:
        """For how long the last stable offset has stood where it stands, with records behind it."""
        now = self._clock.monotonic()
        stable, since = self._stable.get(partition, (None, now))
        if stable != ends.stable or ends.stable >= ends.end:
            since = now
        self._stable[partition] = (ends.stable, since)
        return now - since

    def _show_only(self, held: Collection[TopicPartition]) -> None:
        for partition in self._stable.keys() - set(held):
            del self._stable[partition]
            for gauge in (metrics.lag_messages, metrics.lag_seconds, metrics.stable_offset_age_seconds):
                gauge.remove(*self._labels_of(partition))

    def _labels_of(self, partition: TopicPartition) -> tuple[str, str, str, str]:
        kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
        return (*self._labels, kind, str(partition.partition))
