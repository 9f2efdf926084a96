"""How far a slot has come in each of its partitions: for the lag that is shown, not for what is promised."""

from collections import deque
from collections.abc import Mapping

from tocsin.kafka.offsets import Position
from tocsin.kafka.records import Record, TopicPartition


class SlotProgress:
    """Committed offsets, and the times of what was handed out and is not committed yet."""

    def __init__(self, positions: Mapping[TopicPartition, Position]) -> None:
        self._committed = {partition: position.offset for partition, position in positions.items()}
        self._handed: dict[TopicPartition, deque[tuple[int, int]]] = {
            partition: deque() for partition in positions
        }

    def handed(self, records: list[Record]) -> None:
        """These records went to the worker."""
        spans: dict[tuple[str, int], tuple[int, int]] = {}
        for record in records:
            place = (record.topic, record.partition)
            first = spans[place][1] if place in spans else record.timestamp_ms
            spans[place] = (record.offset, first)
        for (topic, number), span in spans.items():
            self._handed[TopicPartition(topic, number)].append(span)

    def committed(self, offsets: Mapping[TopicPartition, Position]) -> None:
        """These offsets stand now."""
        for partition, position in offsets.items():
            self._committed[partition] = position.offset
            handed = self._handed[partition]
            while handed and handed[0][0] < position.offset:
                handed.popleft()

    def oldest_ms(self, partition: TopicPartition) -> int | None:
        """When the oldest record handed out and not committed was stored, roughly; None when there is none."""
        handed = self._handed[partition]
        return handed[0][1] if handed else None

    def behind(self, partition: TopicPartition, *, position: int, end: int) -> int:
        """Records between what is dealt with and the end; control records at the end count only while work is open."""
        reached = self._committed[partition] if self._handed[partition] else position
        return max(0, end - reached)
