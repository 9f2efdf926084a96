"""The plain idempotent producer: durable when it answers, refusing before it forgets."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.kafka.client.aiokafka_internals import keep_batches_for_ever, sender_ended, stop_producer
from tocsin.kafka.client.connecting import start_client
from tocsin.kafka.errors import KafkaFault, NotStored, Overloaded, ProducerBroken
from tocsin.kafka.lag import ProducedRecords
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits, Packed, Partitions, pack
from tocsin.kafka.records import ProducerRecord, RecordMetadata
from tocsin.kafka.settings import KafkaSettings
from tocsin.observability import get_logger, metrics
from tocsin.runtime.bounds import CLOSE_PUBLISHER
from tocsin.runtime.health import Health
from tocsin.runtime.tasks import first_of
from tocsin.runtime.waiting import retry_until_available

log = get_logger(__name__)

# A broker that holds a request longer than this is asked again on a new connection.
REQUEST_SECONDS = 15.0
# From here on a batch of our own is cheaper than the same records one by one.
WORTH_A_BATCH = 4


@dataclass(slots=True, eq=False)
class _Delivery:
    """What was handed to the producer together, and where its acknowledgement will be seen."""

    future: "asyncio.Future[Any]"
    indexes: Sequence[int]


class Publisher:
    """A component: acks from all in-sync replicas, each record once per call, a deadline on every call.

    At most ``max_bytes`` are held, also those of calls that gave up waiting; ``limits`` says what a topic
    takes (1 MiB where it is not named). While the broker is away the publisher stays ready: calls end as
    NotStored or Overloaded.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        health: Health,
        name: str = "publisher",
        max_bytes: int = 67_108_864,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._service = health.service
        self._max_bytes = max_bytes
        self._limits = Limits(limits)
        self._check = health.check(f"kafka {name}")
        self._bytes = metrics.producer_bytes.labels(self._service)
        self._produced = ProducedRecords(service=self._service, prefix=settings.topic_prefix)
        self._held = 0
        self._producer: AIOKafkaProducer | None = None
        self._partitions: Partitions | None = None
        self._broken = asyncio.Event()
        self._fault: BaseException | None = None

    async def open(self) -> None:
        """Wait for the brokers, with a visible reason."""
        producer = await retry_until_available(
            "Kafka", self._connect, retry_on=(KafkaFault,), check=self._check, describe=str
        )
        self._producer = producer
        self._partitions = Partitions(producer.partitions_for)
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch the producer until ``stop``; ProducerBroken when it can no longer keep its promise."""
        while not stop.is_set():
            await first_of(stop.wait(), self._broken.wait(), seconds=0.5)
            if self._producer is not None and sender_ended(self._producer):
                self._broken.set()
            if self._broken.is_set():
                self._check.set_not_ready("the producer is broken")
                why = "its sender has ended" if self._fault is None else repr(self._fault)
                msg = f"The {self.name} can send no more: {why}."
                raise ProducerBroken(msg) from self._fault

    async def close(self) -> None:
        """Deliver what was taken, within a bound, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not await stop_producer(producer, seconds=CLOSE_PUBLISHER):
            log.warning("closed with records nobody acknowledged", publisher=self.name, bytes=self._held)

    @property
    def held_bytes(self) -> int:
        """Bytes handed over and not acknowledged yet."""
        return self._held

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - the deadline is part of the promise: NotStored, not TimeoutError
        """Store all records; returns once every one is acknowledged, in the order given.

        Overloaded and RecordTooLarge are raised before anything is sent. NotStored after ``timeout``
        seconds, or when the broker refuses: each record may or may not be stored, now or later.
        Records of one call to one partition are stored in the order given.
        """
        producer, partitions = self._producer, self._partitions
        if producer is None or partitions is None:
            raise NotStored(f"The {self.name} is not open.")
        if self._broken.is_set():
            raise NotStored(f"The {self.name} is broken; its process is about to end.")
        size = self._limits.check(records)
        if self._held + size > self._max_bytes:
            raise Overloaded(f"The {self.name} holds {self._held} bytes that no broker has acknowledged.")
        deliveries: list[_Delivery] = []
        self._hold(size)
        try:
            async with asyncio.timeout(timeout):
                await self._send(producer, partitions, records, deliveries)
                await _settled(deliveries)
        except TimeoutError as exc:
            metrics.produce_errors.labels(self._service, "deadline").inc()
            raise NotStored(f"No acknowledgement within {timeout:g} s.") from exc
        except KafkaError as exc:
            metrics.produce_errors.labels(self._service, type(exc).__name__).inc()
            raise NotStored(f"The broker did not take the records: {exc!r}.") from exc
        finally:
            sent = {index for delivery in deliveries for index in delivery.indexes}
            if len(sent) < len(records):
                self._hold(-sum(record.size for index, record in enumerate(records) if index not in sent))
        return self._stored(records, deliveries)

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._settings.client_options(),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=2**31 - 1,  # what a topic takes is checked against the topic's own limit
            request_timeout_ms=round(REQUEST_SECONDS * 1000),
        )
        keep_batches_for_ever(producer)
        await start_client(producer)
        return producer

    async def _send(
        self,
        producer: AIOKafkaProducer,
        partitions: Partitions,
        records: Sequence[ProducerRecord],
        deliveries: list[_Delivery],
    ) -> None:
        placed = await partitions.place(records)
        if len(records) < WORTH_A_BATCH:
            for index, number, record in placed:
                await self._send_one(producer, index, number, record, deliveries)
            return
        batches = pack(placed, new_builder=producer.create_batch, limits=self._limits)
        for batch in batches:
            await self._send_batch(producer, batch, records, deliveries)

    async def _send_one(
        self,
        producer: AIOKafkaProducer,
        index: int,
        number: int,
        record: ProducerRecord,
        deliveries: list[_Delivery],
    ) -> None:
        future = await producer.send(
            record.topic, record.value, record.key, partition=number, headers=list(record.headers)
        )
        future.add_done_callback(partial(self._acknowledged, record.size))
        deliveries.append(_Delivery(future, (index,)))

    async def _send_batch(
        self,
        producer: AIOKafkaProducer,
        batch: Packed[Any],
        records: Sequence[ProducerRecord],
        deliveries: list[_Delivery],
    ) -> None:
        topic, number = batch.partition
        future = await producer.send_batch(batch.builder, topic, partition=number)
        future.add_done_callback(
            partial(self._acknowledged, sum(records[index].size for index in batch.indexes))
        )
        deliveries.append(_Delivery(future, batch.indexes))

    def _hold(self, size: int) -> None:
        self._held += size
        self._bytes.set(self._held)

    def _acknowledged(self, size: int, future: "asyncio.Future[Any]") -> None:
        """Also called for what nobody waits for any more. A refused batch leaves a gap in the sequence that the
        broker checks, so the producer is of no use after it."""
        self._hold(-size)
        if not future.cancelled() and (exc := future.exception()) is not None:
            self._fault = self._fault or exc
            self._broken.set()

    def _stored(
        self, records: Sequence[ProducerRecord], deliveries: Sequence[_Delivery]
    ) -> list[RecordMetadata]:
        stored: dict[int, RecordMetadata] = {}
        for delivery in deliveries:
            done = delivery.future.result()
            for place, index in enumerate(delivery.indexes):
                offset = done.offset + place if done.offset >= 0 else -1
                stored[index] = RecordMetadata(done.topic, done.partition, offset, done.timestamp)
        self._produced.count(place.topic for place in stored.values())
        return [stored[index] for index in range(len(records))]


async def _settled(deliveries: Sequence[_Delivery]) -> None:
    """Every acknowledgement, or the first error; giving up leaves them untouched, and their bytes counted."""
    if len(deliveries) == 1:
        await asyncio.shield(deliveries[0].future)
        return
    if deliveries:
        await asyncio.wait([delivery.future for delivery in deliveries])
    for delivery in deliveries:
        delivery.future.result()
