"""Read a log to its end: the primitive under the directory, stops, outcome logs and timers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from tocsin.kafka.errors import NotReadToEnd
from tocsin.kafka.log_reader import LogReader
from tocsin.kafka.records import Record
from tocsin.kafka.settings import KafkaSettings

POLL_SECONDS = 0.2


async def read_to_end(
    *,
    settings: KafkaSettings,
    topic: str,
    partitions: Sequence[int] | None = None,
    start: Mapping[int, int] | None = None,
    deadline: float | None = None,
) -> AsyncIterator[list[Record]]:
    """Every committed record of ``partitions`` (all of them if None) up to the end as it is at the call.

    Begins at ``start`` (partition to offset), else at the first record kept. Yields lists of records of one
    partition each, in offset order; records written meanwhile may be among them. Ends only when the position
    of every partition has passed the high watermark taken with read_uncommitted, so that neither a
    transaction marker at the end nor an open transaction is mistaken for it. NotReadToEnd after ``deadline``
    seconds; OffsetMissing when a start is no longer kept.
    """
    reader = LogReader(settings=settings, topic=topic, partitions=partitions, start=start)
    try:
        await reader.open()
        async for records in until_end(reader, topic=topic, deadline=deadline):
            yield records
    finally:
        await reader.close()


async def until_end(
    reader: LogReader, *, topic: str, deadline: float | None = None
) -> AsyncIterator[list[Record]]:
    """`read_to_end` with a reader that is open already, and stays open."""
    loop = asyncio.get_running_loop()
    late = None if deadline is None else loop.time() + deadline
    ends = await reader.ends()
    reader.check_start(ends)
    while behind := reader.behind(ends):
        if late is not None and loop.time() > late:
            listed = ", ".join(
                f"{partition.partition} at {position} of {ends[partition]}"
                for partition, position in sorted(behind.items())
            )
            raise NotReadToEnd(f"{topic} was not read to its end within {deadline:g} s: partition {listed}.")
        for records in await reader.read(seconds=POLL_SECONDS):
            yield records
