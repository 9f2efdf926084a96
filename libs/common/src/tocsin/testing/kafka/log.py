"""Partitions in memory: records by offset, and transactions that hold readers back."""

import asyncio
from collections.abc import Iterable

from tocsin.kafka import ConsumerRecord, ProducerRecord, RecordMetadata, TopicPartition
from tocsin.kafka.client.offsets import topic_missing
from tocsin.kafka.produce.packing import Partitions
from tocsin.runtime import Clock


class Log:
    """One partition. Every offset has a record, except those of aborted records and of transaction markers."""

    def __init__(self) -> None:
        self._records: list[ConsumerRecord | None] = []
        self._open: dict[str, list[int]] = {}
        """The offsets that each open transaction has written."""
        self.start = 0
        """The first offset still kept; what a test sets it to is deleted below it."""

    @property
    def end(self) -> int:
        """The high watermark."""
        return len(self._records)

    @property
    def stable(self) -> int:
        """Where the first open transaction begins: committed records are read up to here."""
        return min((offsets[0] for offsets in self._open.values()), default=self.end)

    def append(self, record: ConsumerRecord, *, transactional_id: str | None) -> None:
        """Readers see a transaction's record once it is committed."""
        if transactional_id is not None:
            self._open.setdefault(transactional_id, []).append(self.end)
        self._records.append(record)

    def end_transaction(self, transactional_id: str, *, commit: bool) -> None:
        """Write the marker, which takes one offset, if the transaction wrote anything here."""
        offsets = self._open.pop(transactional_id, [])
        if not commit:
            for offset in offsets:
                self._records[offset] = None
        if offsets:
            self._records.append(None)

    def read(self, position: int, max_records: int | None = None) -> tuple[list[ConsumerRecord], int]:
        """Committed records from ``position`` on, and the position behind them."""
        records: list[ConsumerRecord] = []
        stable = self.stable
        while position < stable and (max_records is None or len(records) < max_records):
            if (record := self._records[position]) is not None:
                records.append(record)
            position += 1
        return records, position


class Logs:
    """The topics of a cluster. ``clock`` gives the append times."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._topics: dict[str, list[Log]] = {}
        self._partitions = Partitions(self._numbers)
        self._changed = asyncio.Event()

    @property
    def topics(self) -> frozenset[str]:
        """The topics that exist."""
        return frozenset(self._topics)

    def create(self, topic: str, partitions: int) -> None:
        """A topic that exists stays as it is."""
        self._topics.setdefault(topic, [Log() for _ in range(partitions)])
        self._change()

    def of(self, topic: str) -> list[Log]:
        """All partitions; TopicFault when there is no such topic."""
        if topic not in self._topics:
            raise topic_missing([topic])
        return self._topics[topic]

    def at(self, partition: TopicPartition) -> Log:
        """One partition."""
        return self.of(partition.topic)[partition.partition]

    def partitions_for_topic(self, topic: str) -> set[int]:
        """What an assignor asks its cluster."""
        return set(range(len(self.of(topic))))

    async def place(self, records: Iterable[ProducerRecord]) -> list[tuple[int, ProducerRecord]]:
        """Each record and its partition, by the partitioner of the real producers."""
        await asyncio.sleep(0)  # a call over the network lets others run
        return [(number, record) for _, number, record in await self._partitions.place(list(records))]

    def append(
        self, placed: Iterable[tuple[int, ProducerRecord]], *, transactional_id: str | None = None
    ) -> list[RecordMetadata]:
        """Where each record stands; in no transaction, or in the open one of ``transactional_id``."""
        stored, now = [], self._clock.time_ms()
        for number, record in placed:
            log = self.of(record.topic)[number]
            stored.append(RecordMetadata(record.topic, number, log.end, now))
            kept = ConsumerRecord(
                record.topic, number, log.end, now, record.key, record.value, record.headers
            )
            log.append(kept, transactional_id=transactional_id)
        self._change()
        return stored

    def end_transaction(self, transactional_id: str, *, commit: bool) -> None:
        """All partitions the transaction wrote to get its marker."""
        for logs in self._topics.values():
            for log in logs:
                log.end_transaction(transactional_id, commit=commit)
        self._change()

    async def changed(self) -> None:
        """Wait until a topic was created, or a record or a marker was written."""
        await self._changed.wait()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _numbers(self, topic: str) -> set[int]:
        return self.partitions_for_topic(topic)
