"""Reads single records by their place, outside of any group."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tocsin.kafka.client.aiokafka_internals import (
    leaderless,
    position_now,
    stop_reader,
    wait_for_metadata,
)
from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.client.connecting import no_broker_answers, start_client
from tocsin.kafka.client.offsets import kept_ranges, topic_missing
from tocsin.kafka.errors import KafkaFault, NotReadToEnd
from tocsin.kafka.records import ConsumerRecord, TopicPartition, from_consumer
from tocsin.kafka.settings import KafkaSettings

FETCH_BYTES: Final = 65_536
"""Of one answer; a larger record comes whole. The records asked for may lie far apart, and what lies between is read for nothing."""
POLL_SECONDS: Final = 0.5
STEP_MS: Final = 20
"""A fetch that held only the marks of transactions wakes nobody."""
MOST_POLLS: Final = 40
"""Without anything new, before the reader gives up: the broker is away, or a transaction has been open for long."""
NEAR: Final = 50
"""Offsets between two records within which reading on is quicker than a new fetch."""

Place = tuple[TopicPartition, int]
"""A partition and an offset."""


class RecordReader:
    """A component's helper: `open()` first, `close()` last. Committed records only."""

    def __init__(self, *, settings: KafkaSettings, wait_ms: int = 500) -> None:
        """``wait_ms``: after so long a broker says that it has nothing to give. What ends before an open transaction is known only then."""
        self._settings = settings
        self._wait_ms = wait_ms
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=self._wait_ms,
        )
        await start_client(consumer)
        self._consumer = consumer

    async def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_reader(consumer)

    async def starts(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The first offset still kept, of each partition of these topics. KafkaFault when no broker answers."""
        try:
            places = [
                AioTopicPartition(topic, number)
                for topic in topics
                for number in await self._partitions(topic)
            ]
            starts = await self._open.beginning_offsets(places) if places else {}
        except KafkaError as error:
            raise no_broker_answers(error) from error
        return {TopicPartition(*place): offset for place, offset in starts.items()}

    async def read(self, places: Collection[Place]) -> dict[Place, ConsumerRecord]:
        """The records at these places; what is no longer kept, or never was, is left out. KafkaFault when the broker does not
        give them."""
        try:
            ranges = await kept_ranges(self._open, {partition for partition, _ in places})
            records: dict[Place, ConsumerRecord] = {}
            kept = sorted(
                place for place in places if ranges[place[0]].start <= place[1] < ranges[place[0]].end
            )
            for partition, of_partition in groupby(kept, key=lambda place: place[0]):
                wanted = sorted({offset for _, offset in of_partition})
                records |= await self._read_partition(partition, wanted)
        except KafkaError as error:
            raise no_broker_answers(error) from error
        return records

    async def kept(
        self, topics: Iterable[str]
    ) -> tuple[dict[TopicPartition, KeptRange], set[TopicPartition]]:
        """What each partition of these topics keeps; and the partitions that no broker leads, of which nobody can say it. TopicFault where a
        topic does not exist: asking creates none. KafkaFault when no broker answers."""
        wanted = set(topics)
        try:
            if missing := wanted - set(await self._open.topics()):
                raise topic_missing(missing)
            partitions = [
                TopicPartition(topic, number)
                for topic in sorted(wanted)
                for number in range(await wait_for_metadata(self._open, topic))
            ]
            unled = await leaderless(self._open, partitions)
            led = [partition for partition in partitions if partition not in unled]
            return await kept_ranges(self._open, led), unled
        except KafkaError as error:
            raise no_broker_answers(error) from error

    async def first_of(
        self, places: Mapping[TopicPartition, int], kept: Mapping[TopicPartition, KeptRange]
    ) -> dict[TopicPartition, tuple[ConsumerRecord | None, int]]:
        """Of each partition the first record at the offset or behind it, and how far was looked; ``kept`` is what the partitions keep. Without
        a record only the marks of transactions stand there, up to the end or to the first transaction that is still open. A partition
        whose offset is no longer kept is left out. KafkaFault when the broker does not answer."""
        firsts: dict[TopicPartition, tuple[ConsumerRecord | None, int]] = {}
        waited, polls = dict(places), 0
        try:
            while waited and polls < MOST_POLLS:
                self._open.assign([AioTopicPartition(*partition) for partition in waited])
                for partition, offset in waited.items():
                    self._open.seek(AioTopicPartition(*partition), offset)
                before = len(waited)
                try:
                    await self._look_at(waited, firsts, kept)
                except OffsetOutOfRangeError as error:
                    for place in error.args[0]:
                        waited.pop(TopicPartition(*place), None)
                polls = 0 if len(waited) < before else polls + 1
        except KafkaError as error:
            raise no_broker_answers(error) from error
        finally:
            if self._consumer is not None:
                self._consumer.assign([])  # else it would be asked on, for nothing
        if not waited:
            return firsts
        listed = ", ".join(f"{partition.topic}/{partition.partition}" for partition in sorted(waited))
        raise NotReadToEnd(f"The first records could not be read of {listed}.")

    async def _look_at(
        self,
        waited: dict[TopicPartition, int],
        firsts: dict[TopicPartition, tuple[ConsumerRecord | None, int]],
        kept: Mapping[TopicPartition, KeptRange],
    ) -> None:
        """One answer of the brokers: what it says moves from `waited` to `firsts`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + POLL_SECONDS
        while loop.time() < until:
            batches = await self._open.getmany(timeout_ms=STEP_MS)
            before = len(firsts)
            for partition in list(waited):
                place = AioTopicPartition(*partition)
                at, stable = position_now(self._open, partition), self._open.last_stable_offset(place)
                if records := batches.get(place):
                    firsts[partition] = from_consumer(records[0]), at
                elif stable is not None and at >= min(stable, kept[partition].end):
                    firsts[partition] = None, at
                else:
                    waited[partition] = at
                    continue
                del waited[partition]
            if not waited or len(firsts) > before:
                return

    async def _read_partition(
        self, partition: TopicPartition, wanted: list[int]
    ) -> dict[Place, ConsumerRecord]:
        place = AioTopicPartition(*partition)
        self._open.assign([place])
        records: dict[Place, ConsumerRecord] = {}
        at: int | None = None
        for offset in wanted:
            if (partition, offset) in records:
                continue
            if at is None or not 0 <= offset - at <= NEAR:
                self._open.seek(place, offset)
            try:
                at = await self._read_until(partition, offset, records, set(wanted))
            except OffsetOutOfRangeError:
                at = None  # it was deleted since its range was asked for
        return records

    async def _read_until(
        self, partition: TopicPartition, offset: int, records: dict[Place, ConsumerRecord], wanted: set[int]
    ) -> int:
        """Reads on until the position is beyond `offset`; the position."""
        for _ in range(MOST_POLLS):
            batches = await self._open.getmany(timeout_ms=round(POLL_SECONDS * 1000))
            for record in (record for batch in batches.values() for record in batch):
                if record.offset in wanted:
                    records[partition, record.offset] = from_consumer(record)
            at = position_now(self._open, partition)
            if at > offset:
                return at
        raise NotReadToEnd(f"{partition.topic}/{partition.partition} was not read up to {offset}.")

    async def _partitions(self, topic: str) -> Collection[int]:
        await self._open.topics()
        return self._open.partitions_for_topic(topic) or ()

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaFault("The reader of records is not open.")
        return self._consumer
