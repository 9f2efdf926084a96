"""Whose turn it is to be read, so that one hot partition cannot starve the others."""

from collections.abc import Iterable, Sequence

from tocsin.kafka.records import TopicPartition


class PollOrder:
    """Turns around the partitions: each call begins one further than the last."""

    def __init__(self) -> None:
        self._turn = 0

    def around(self, partitions: Iterable[TopicPartition]) -> Sequence[TopicPartition]:
        """All of them, once, beginning with the one whose turn it is."""
        ordered = sorted(partitions)
        if not ordered:
            return ordered
        self._turn = (self._turn + 1) % len(ordered)
        return ordered[self._turn :] + ordered[: self._turn]
