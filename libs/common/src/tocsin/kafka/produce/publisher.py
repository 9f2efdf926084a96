"""The plain idempotent producer: durable when it answers, refusing before it forgets."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.kafka.client.aiokafka_internals import keep_batches_for_ever, sender_ended, stop_producer
from tocsin.kafka.client.connecting import start_client
from tocsin.kafka.errors import KafkaFault, NotStored, Overloaded, ProducerBroken
from tocsin.kafka.lag import ProducedRecords
from tocsin.kafka.produce.deadlines import Deadlines
from tocsin.kafka.produce.gathering import GatheredBatch, Gathering
from tocsin.kafka.produce.packing import BATCH_BYTES, Limits, Partitions
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
        metrics.producer_bytes_limit.labels(self._service).set(max_bytes)
        metrics.begin_at_zero(metrics.produce_errors, [self._service], ["deadline"])
        self._produced = ProducedRecords(service=self._service, prefix=settings.topic_prefix)
        self._held = 0
        self._producer: AIOKafkaProducer | None = None
        self._gathering: Gathering | None = None
        self._partitions: Partitions | None = None
        self._deadlines = Deadlines()
        self._broken = asyncio.Event()
        self._fault: BaseException | None = None

    async def open(self) -> None:
        """Wait for the brokers, with a visible reason."""
        producer = await retry_until_available(
            "Kafka", self._connect, retry_on=(KafkaFault,), check=self._check, describe=str
        )
        self._producer = producer
        self._partitions = Partitions(producer.partitions_for)
        self._gathering = Gathering(producer, limits=self._limits, ended=self._ended, refused=self._refused)
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
        gathering, self._gathering = self._gathering, None
        if producer is None or gathering is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + CLOSE_PUBLISHER
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await gathering.emptied()
        finally:
            try:
                await gathering.abandon()
            finally:
                in_time = await stop_producer(producer, seconds=max(0.0, until - loop.time()))
        if not in_time:
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
        gathering, partitions = self._gathering, self._partitions
        if gathering is None or partitions is None:
            raise NotStored(f"The {self.name} is not open.")
        if self._broken.is_set():
            raise NotStored(f"The {self.name} is broken; its process is about to end.")
        if not records:
            return []
        deadline = asyncio.get_running_loop().time() + timeout
        sizes = self._limits.sizes(records)
        try:
            if not partitions.know(records):
                async with asyncio.timeout_at(deadline):
                    await partitions.learn(records)
            if self._held + sum(sizes) > self._max_bytes:
                raise Overloaded(f"The {self.name} holds {self._held} bytes that no broker has acknowledged.")
            placed = [
                (partitions.of(record), record, size) for record, size in zip(records, sizes, strict=True)
            ]
            self._hold(sum(sizes))
            call = gathering.add(placed)
            await self._deadlines.wait(call.future, deadline)
        except TimeoutError as exc:
            metrics.produce_errors.labels(self._service, "deadline").inc()
            raise NotStored(f"No acknowledgement within {timeout:g} s.") from exc
        except KafkaError as exc:
            metrics.produce_errors.labels(self._service, type(exc).__name__).inc()
            raise NotStored(f"The broker did not take the records: {exc!r}.") from exc
        return call.stored

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

    def _hold(self, size: int) -> None:
        self._held += size
        self._bytes.set(self._held)

    def _ended(self, batch: GatheredBatch) -> None:
        self._hold(-batch.held)
        if batch.stored is not None:
            self._produced.count(batch.partition.topic, batch.count)

    def _refused(self, error: BaseException) -> None:
        self._fault = self._fault or error
        self._broken.set()
