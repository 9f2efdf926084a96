"""Read a log to its end: the primitive under the directory, stops, outcome logs and timers."""

from collections.abc import AsyncIterator, Mapping, Sequence

from tocsin.kafka.records import Record
from tocsin.kafka.settings import KafkaSettings


def read_to_end(
    *,
    settings: KafkaSettings,
    topic: str,
    partitions: Sequence[int] | None = None,
    start: Mapping[int, int] | None = None,
    deadline: float | None = None,
) -> AsyncIterator[list[Record]]:
    """Every committed record of ``partitions`` (all of them if None) up to the end as it is at the call.

    Begins at ``start`` (partition to offset), else at the first record kept. Yields lists of records of one
    partition each, in offset order. Ends only when the position of every partition has passed the high
    watermark taken with read_uncommitted, so that neither a transaction marker at the end nor an open
    transaction is mistaken for it. NotReadToEnd after ``deadline`` seconds; OffsetMissing when a start
    is no longer kept.
    """
    raise NotImplementedError
