"""Reading partitions of a log outside of any group; `read_to_end` is the primitive under what everybody reads
whole: the directory and the recipients' versions."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tocsin.kafka.client.aiokafka_internals import (
    high_watermarks,
    position_now,
    stop_reader,
    wait_for_metadata,
)
from tocsin.kafka.client.connecting import no_broker_answers
from tocsin.kafka.client.offsets import connect_reader, topic_missing
from tocsin.kafka.errors import NotReadToEnd, OffsetMissing
from tocsin.kafka.records import ConsumerRecord, TopicPartition, from_consumer
from tocsin.kafka.settings import KafkaSettings

READ_RECORDS = 500
POLL_SECONDS = 0.2


class LogReader:
    """Committed records only. ``start`` maps partition to offset; without it, from the first record kept."""

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        topic: str,
        partitions: Sequence[int] | None = None,
        start: Mapping[int, int] | None = None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._numbers = partitions
        self._start = dict(start) if start is not None else None
        self.partitions: Sequence[TopicPartition] = []
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connect and take position. KafkaFault when no broker answers, TopicFault when there is no such topic; after any
        error, and when cancelled, it is closed."""
        consumer = self._consumer = await connect_reader(self._settings)
        try:
            await self._take_partitions(consumer)
        except BaseException as error:
            await self.close()
            if isinstance(error, KafkaError):
                raise no_broker_answers(error) from error
            raise

    async def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_reader(consumer)

    async def ends(self) -> dict[TopicPartition, int]:
        """The high watermarks now, also above open transactions."""
        return await high_watermarks(self._open, self.partitions)

    def check_start(self, ends: Mapping[TopicPartition, int]) -> None:
        """OffsetMissing when a given start lies beyond its end: the log is not the one it was taken from."""
        beyond = [
            at for at in ends if self._start is not None and self._start.get(at.partition, 0) > ends[at]
        ]
        if beyond:
            raise _not_kept(beyond)

    def behind(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The partitions whose position has not passed their end yet, with that position."""
        positions = {partition: position_now(self._open, partition) for partition in ends}
        return {partition: at for partition, at in positions.items() if at < ends[partition]}

    async def read(self, *, seconds: float) -> list[list[ConsumerRecord]]:
        """Records of one partition each, in offset order; nothing when none came within ``seconds``.

        OffsetMissing when a given start is no longer kept."""
        try:
            by_partition = await self._open.getmany(
                timeout_ms=round(seconds * 1000), max_records=READ_RECORDS
            )
        except OffsetOutOfRangeError as exc:
            partitions = [TopicPartition(*partition) for partition in exc.args[0]]
            if self._start is not None:
                raise _not_kept(partitions) from exc
            # The log's beginning moved on between our look and our read.
            await self._take_position(partitions)
            return []
        return [[from_consumer(record) for record in records] for records in by_partition.values()]

    async def _take_partitions(self, consumer: AIOKafkaConsumer) -> None:
        if self._topic not in await consumer.topics():
            raise topic_missing([self._topic])
        numbers = self._numbers
        if numbers is None:
            numbers = range(await wait_for_metadata(consumer, self._topic))
        self.partitions = [TopicPartition(self._topic, number) for number in numbers]
        consumer.assign([AioTopicPartition(*partition) for partition in self.partitions])
        await self._take_position(self.partitions)

    async def _take_position(self, partitions: Sequence[TopicPartition]) -> None:
        places = [AioTopicPartition(*partition) for partition in partitions]
        beginnings = await self._open.beginning_offsets(places) if places else {}
        for place in places:
            start = self._start.get(place.partition) if self._start is not None else None
            self._open.seek(place, beginnings[place] if start is None else start)

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError(f"The reader of {self._topic} is not open")
        return self._consumer


async def read_to_end(
    *,
    settings: KafkaSettings,
    topic: str,
    partitions: Sequence[int] | None = None,
    start: Mapping[int, int] | None = None,
    deadline: float | None = None,
) -> AsyncIterator[list[ConsumerRecord]]:
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
) -> AsyncIterator[list[ConsumerRecord]]:
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


def _not_kept(partitions: Sequence[TopicPartition]) -> OffsetMissing:
    listed = ", ".join(f"{topic}/{number}" for topic, number in sorted(partitions))
    return OffsetMissing(f"What was to be read back of {listed} is no longer kept.")
