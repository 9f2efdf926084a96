"""Offsets of groups and ends of logs, with the metadata that aiokafka's own `committed()` drops."""

from collections.abc import Iterable
from typing import NamedTuple

from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings


class Position(NamedTuple):
    """A committed offset: the next record to handle, and what the owner wrote beside it."""

    offset: int
    metadata: str = ""


def read_back_metadata(position: int) -> str:
    """The metadata of a dispatcher's commit: where to begin reading the outcome log back (JSON)."""
    raise NotImplementedError


def read_back_position(metadata: str, *, group: str) -> int:
    """The position in a commit's metadata; OffsetMissing with the sentence that names the command without one."""
    raise NotImplementedError


class Offsets:
    """A long-lived client for questions about logs. `open()` first, `close()` last; answers are fresh."""

    def __init__(self, *, settings: KafkaSettings) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; OffsetMissing's sibling TopicFault when there is no such topic."""
        raise NotImplementedError

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset still kept, of each."""
        raise NotImplementedError

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The high watermark of each, also when transactions are open below it."""
        raise NotImplementedError
