"""What a consumer group and its producers show on /metrics: counts, and how far behind each partition is."""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from tocsin.contracts.vocabulary import Lane
from tocsin.kafka.records import Record, TopicPartition
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock

if TYPE_CHECKING:
    from tocsin.kafka.consume.member import LogEnds, Member
    from tocsin.kafka.consume.shard import Shard

_LANES = frozenset(Lane)


def kind_and_lane(topic: str, *, prefix: str) -> tuple[str, str]:
    """The bounded labels of a topic: ``tocsin.jobs.email.critical`` is ("jobs", "critical"); a topic without a lane has
    the lane "none"."""
    parts = topic.removeprefix(prefix).split(".")
    return parts[0], next((part for part in parts[1:] if part in _LANES), "none")


def service_and_lane(group: str, *, prefix: str) -> tuple[str, str]:
    """The labels of a group: ``tocsin.dispatch-email.critical`` is ("dispatch-email", "critical")."""
    service, _, lane = group.removeprefix(prefix).rpartition(".")
    return (service, lane) if service else (lane, "none")


class ProducedRecords:
    """Counts what Kafka acknowledged, by the topic it went to; ``service`` is who produced it."""

    def __init__(self, *, service: str, prefix: str) -> None:
        self._service = service
        self._prefix = prefix
        self._counters: dict[str, Callable[[float], None]] = {}

    def count(self, topics: Iterable[str]) -> None:
        """One record was acknowledged for each topic named."""
        for topic, records in Counter(topics).items():
            if topic not in self._counters:
                kind, lane = kind_and_lane(topic, prefix=self._prefix)
                self._counters[topic] = metrics.produced.labels(self._service, lane, kind).inc
            self._counters[topic](records)


class PartitionLag:
    """How far the work on one partition has come: for the lag that is shown, not for what is promised.

    A transaction's markers take offsets and are no records. So with no work in hand, having read to the end is being at
    the end, wherever the committed offset stands.
    """

    def __init__(self, *, committed: int, clock: Clock) -> None:
        self._clock = clock
        self._committed = committed
        self._in_hand: deque[tuple[Record, Record]] = deque()
        """The first and the last record of each batch that was taken and is not committed yet."""
        self._nothing_older_ms: int | None = None
        """Of records that the broker only announced nobody knows the time yet. They came after the latest record that was
        dealt with, and after the last look that saw nothing waiting."""
        self._first_look_ms: int | None = None
        """Before any record was dealt with, all that is known is since when we see that some wait."""

    def taken(self, *, first: Record, last: Record) -> None:
        """A worker has taken the records from ``first`` to ``last``."""
        self._in_hand.append((first, last))

    def committed(self, offset: int) -> None:
        """Everything below ``offset`` is dealt with."""
        self._committed = offset
        while self._in_hand and self._in_hand[0][1].offset < offset:
            latest_ms = self._in_hand.popleft()[1].timestamp_ms
            self._nothing_older_ms = max(latest_ms, self._nothing_older_ms or 0)

    def behind(self, *, unread: Record | None, ends: "LogEnds") -> tuple[int, int | None]:
        """How many records wait, and when the broker stored the oldest of them (None when none waits).

        ``unread`` is the first record that was read and not taken. Records that cannot be read yet, behind an open
        transaction, do not count: the age of the last stable offset tells of those.
        """
        if self._in_hand:
            return max(0, ends.stable - self._committed), self._in_hand[0][0].timestamp_ms
        behind = max(0, ends.stable - (ends.position if unread is None else unread.offset))
        if unread is not None:
            return behind, unread.timestamp_ms
        if behind == 0:
            self._nothing_older_ms = self._clock.time_ms()
            return 0, None
        if self._nothing_older_ms is not None:
            return behind, self._nothing_older_ms
        if self._first_look_ms is None:
            self._first_look_ms = self._clock.time_ms()
        return behind, self._first_look_ms


class GroupMetrics:
    """The metrics of one consumer group in this process."""

    def __init__(self, *, group: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._labels = service_and_lane(group, prefix=prefix)
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

    def acquired(self, shards: int, seconds: float) -> None:
        """So many shards are held now; ``seconds`` from the assignment to reading."""
        metrics.slots_held.labels(*self._labels).set(shards)
        metrics.slot_take_seconds.labels(*self._labels).observe(seconds)

    def released(self) -> None:
        """Nothing is held any more, so nothing is shown."""
        metrics.slots_held.labels(*self._labels).set(0)
        self._show_only([])

    def show(self, member: "Member", shards: Mapping[int, "Shard"]) -> None:
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

    def _stuck(self, partition: TopicPartition, ends: "LogEnds") -> float:
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
