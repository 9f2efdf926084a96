"""How far behind a partition is, and the bounded labels under which groups and producers are counted."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tocsin.contracts.vocabulary import Lane
from tocsin.kafka.records import ConsumerRecord
from tocsin.observability import metrics
from tocsin.runtime.clock import Clock

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

    def count_each(self, topics: Iterable[str]) -> None:
        """One record was acknowledged for each topic named."""
        for topic, records in Counter(topics).items():
            self.count(topic, records)

    def count(self, topic: str, records: int) -> None:
        """So many records of the topic were acknowledged."""
        if topic not in self._counters:
            kind, lane = kind_and_lane(topic, prefix=self._prefix)
            self._counters[topic] = metrics.produced.labels(self._service, lane, kind).inc
        self._counters[topic](records)


class LogEnds(NamedTuple):
    """Of one partition: the next offset to be read, the last stable offset, and the high watermark."""

    position: int
    stable: int
    end: int


class PartitionLag:
    """How far the work on one partition has come: for the lag that is shown, not for what is promised.

    A transaction's markers take offsets and are no records. So with no work in hand, having read to the end is being at
    the end, wherever the committed offset stands.
    """

    def __init__(self, *, committed: int, clock: Clock) -> None:
        self._clock = clock
        self._committed = committed
        self._in_hand: deque[tuple[ConsumerRecord, ConsumerRecord]] = deque()
        """The first and the last record of each batch that was taken and is not committed yet."""
        self._nothing_older_ms: int | None = None
        """Records between our position and the stable offset are not fetched yet, so their time is unknown. They are younger
        than this: than the newest record dealt with, and than the last look at which nothing waited."""
        self._first_look_ms: int | None = None
        """Before any record was dealt with, all that is known is since when we see that some wait."""

    @property
    def committed(self) -> int:
        """Everything below it is dealt with."""
        return self._committed

    def taken(self, *, first: ConsumerRecord, last: ConsumerRecord) -> None:
        """A worker has taken the records from ``first`` to ``last``."""
        self._in_hand.append((first, last))

    def note_committed(self, offset: int) -> None:
        """Everything below ``offset`` is dealt with."""
        self._committed = offset
        while self._in_hand and self._in_hand[0][1].offset < offset:
            latest_ms = self._in_hand.popleft()[1].timestamp_ms
            self._nothing_older_ms = max(latest_ms, self._nothing_older_ms or 0)

    def handled_until_ms(self, *, unread: ConsumerRecord | None, ends: LogEnds) -> int | None:
        """Everything that the broker stored before this moment, and that can be read, is dealt with. None while nobody knows."""
        waiting, oldest_ms = self.behind(unread=unread, ends=ends)
        if waiting and unread is None and not self._in_hand and self._nothing_older_ms is None:
            return None
        return self._clock.time_ms() if oldest_ms is None else oldest_ms

    def behind(self, *, unread: ConsumerRecord | None, ends: LogEnds) -> tuple[int, int | None]:
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
