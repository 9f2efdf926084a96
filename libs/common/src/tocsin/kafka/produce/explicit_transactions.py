"""Transactions of brokers before Kafka 4.0: partitions and the group are added by requests of their own, which aiokafka sends."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition

from tocsin.kafka.client.aiokafka_internals import (
    PATIENT_RETRY,
    QUICK_RETRY,
    closed_unless_started,
    set_retry_wait,
    shorten_marker_wait,
    stop_producer,
)
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits, Packed, Partitions, pack
from tocsin.kafka.records import ProducerRecord, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.bounds import TRANSACTION
from tocsin.runtime.failpoints import Failpoints

QUICK_FOR: Final = 0.25
"""A broker that has not answered by then is away, and asking every 5 ms helps nobody."""


class ExplicitTransactions:
    """The transactions of one transactional id. Errors are KafkaError, or AssertionError: aiokafka asserts on states that a failure
    leaves behind. After any of them it is good for nothing but `close`."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        transactional_id: str,
        group: str,
        limits: Limits,
        failpoints: Failpoints,
    ) -> None:
        self._group = group
        self._limits = limits
        self._failpoints = failpoints
        self._patience: asyncio.TimerHandle | None = None
        self._producer = AIOKafkaProducer(
            **settings.client_options(),
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TRANSACTION * 1000),
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            retry_backoff_ms=int(PATIENT_RETRY * 1000),
        )
        self._partitions = Partitions(self._producer.partitions_for)

    async def open(self) -> None:
        """Fence whoever used the id before; returns once their transaction has ended."""
        shorten_marker_wait()
        self._be_quick()
        with closed_unless_started():
            await self._producer.start()

    async def write(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """All of it stored, and not committed yet."""
        self._be_quick()
        placed = await self._partitions.place(outgoing)
        batches = pack(placed, new_builder=self._producer.create_batch, limits=self._limits)
        await self._producer.begin_transaction()
        await self._deliver(batches)
        await self._failpoints.reach("after_produce")
        if offsets:
            commits = {AioTopicPartition(*partition): tuple(at) for partition, at in offsets.items()}
            await self._producer.send_offsets_to_transaction(commits, self._group)
            await self._failpoints.reach("after_offsets")

    async def commit(self) -> None:
        """What was written becomes visible."""
        await self._producer.commit_transaction()

    async def close(self, *, seconds: float) -> None:
        """Disconnect; an open transaction is left to time out or to be fenced."""
        if self._patience is not None:
            self._patience.cancel()
        await stop_producer(self._producer, seconds=seconds)

    async def _deliver(self, batches: Sequence[Packed[Any]]) -> None:
        """Every record acknowledged, or an error: aiokafka would commit although a produce has failed."""
        deliveries = [
            await self._producer.send_batch(
                batch.builder, batch.partition.topic, partition=batch.partition.partition
            )
            for batch in batches
        ]
        await asyncio.gather(*deliveries)

    def _be_quick(self) -> None:
        """Repeat at once what the broker is not ready for yet; after a while, as patiently as aiokafka does."""
        if self._patience is not None:
            self._patience.cancel()
        set_retry_wait(self._producer, QUICK_RETRY)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(QUICK_FOR, set_retry_wait, self._producer, PATIENT_RETRY)
