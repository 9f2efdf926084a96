"""The transactional producer of one transactional id: all of it and the offsets, or nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from tocsin.kafka.client.aiokafka_internals import (
    PATIENT_RETRY,
    QUICK_RETRY,
    closed_unless_started,
    set_retry_wait,
    shorten_marker_wait,
    stop_producer,
)
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.errors import RecordTooLarge, TransactionFailed
from tocsin.kafka.lag import ProducedRecords, service_and_lane
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits, Packed, Partitions, pack
from tocsin.kafka.records import ProducerRecord, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.observability import metrics
from tocsin.runtime.bounds import CLOSE_TRANSACTIONS, TRANSACTION
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints

# A broker that has not answered by then is away, and asking every 5 ms helps nobody.
QUICK_FOR = 0.25


class Transactions(Protocol):
    """What runs transactions under one transactional id."""

    async def open(self) -> None:
        """Fence whoever used the id before, and end their transaction."""

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """All of it, or an error; after an error nothing more is run."""

    async def close(self) -> None:
        """Disconnect."""


class TransactionalProducer:
    """One transactional id. `open` fences whoever used it before and ends their transaction.

    After any failure it is good for nothing but `close`: whether a failed transaction committed is for the
    next owner to find out.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        transactional_id: str,
        group: str,
        limits: Limits,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._settings = settings
        self._id = transactional_id
        self._group = group
        self._limits = limits
        self._failpoints = failpoints
        self._labels = service_and_lane(group, prefix=settings.topic_prefix)
        self._seconds = metrics.transaction_seconds.labels(*self._labels)
        self._committed = metrics.transactions.labels(*self._labels, "committed")
        self._produced = ProducedRecords(service=self._labels[0], prefix=settings.topic_prefix)
        self._producer: AIOKafkaProducer | None = None
        self._partitions: Partitions | None = None
        self._patience: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """InitProducerId: returns once the former owner is fenced and its transaction ended; else TransactionFailed."""
        shorten_marker_wait()
        producer = AIOKafkaProducer(
            **self._settings.client_options(),
            transactional_id=self._id,
            transaction_timeout_ms=int(TRANSACTION * 1000),
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            retry_backoff_ms=int(PATIENT_RETRY * 1000),
        )
        self._producer = producer
        self._partitions = Partitions(producer.partitions_for)
        self._be_quick(producer)
        try:
            with closed_unless_started():
                await producer.start()
        except KafkaError as exc:
            msg = f"The producer of {self._id} could not start: {exc!r}."
            raise TransactionFailed(msg) from exc

    async def close(self) -> None:
        """Disconnect; an open transaction is left to time out or to be fenced."""
        if self._patience is not None:
            self._patience.cancel()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await stop_producer(producer, seconds=CLOSE_TRANSACTIONS)

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """One transaction. RecordTooLarge before anything is produced; TransactionFailed for whatever else."""
        self._limits.check(outgoing)
        began = perf_counter()
        try:
            async with asyncio.timeout(TRANSACTION):
                await self._run(outgoing, offsets)
        except RecordTooLarge:
            raise
        except ProducerFenced as exc:
            metrics.fenced.labels(*self._labels).inc()
            raise self._failure(f"A newer owner of {self._id} fenced this process.") from exc
        except TimeoutError as exc:
            raise self._failure(f"A transaction of {self._id} did not end within {TRANSACTION:g} s.") from exc
        except (KafkaError, AssertionError) as exc:  # aiokafka asserts on states a failure leaves behind
            raise self._failure(f"A transaction of {self._id} failed: {exc!r}.") from exc
        self._seconds.observe(perf_counter() - began)
        self._committed.inc()

    async def _run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        producer, partitions = self._producer, self._partitions
        if producer is None or partitions is None:
            msg = f"The producer of {self._id} is not open."
            raise TransactionFailed(msg)
        self._be_quick(producer)
        placed = await partitions.place(outgoing)
        batches = pack(placed, new_builder=producer.create_batch, limits=self._limits)
        await producer.begin_transaction()
        await self._deliver(producer, batches)
        await self._failpoints.reach("after_produce")
        if offsets:
            commits = {AioTopicPartition(*partition): tuple(at) for partition, at in offsets.items()}
            await producer.send_offsets_to_transaction(commits, self._group)
            await self._failpoints.reach("after_offsets")
        await self._failpoints.reach("before_commit")
        await producer.commit_transaction()
        self._produced.count_each(record.topic for record in outgoing)
        await self._failpoints.reach("after_commit")

    async def _deliver(self, producer: AIOKafkaProducer, batches: Sequence[Packed]) -> None:
        """Every record acknowledged, or an error: aiokafka would commit although a produce has failed."""
        deliveries = [
            await producer.send_batch(
                batch.builder, batch.partition.topic, partition=batch.partition.partition
            )
            for batch in batches
        ]
        await asyncio.gather(*deliveries)

    def _failure(self, what: str) -> TransactionFailed:
        metrics.transactions.labels(*self._labels, "failed").inc()
        return TransactionFailed(what)

    def _be_quick(self, producer: AIOKafkaProducer) -> None:
        """Repeat at once what the broker is not ready for yet; after a while, as patiently as aiokafka does."""
        if self._patience is not None:
            self._patience.cancel()
        set_retry_wait(producer, QUICK_RETRY)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(QUICK_FOR, set_retry_wait, producer, PATIENT_RETRY)
