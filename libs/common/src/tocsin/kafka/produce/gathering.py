"""Records on their way to the broker: what comes while a request is out, or just was, shares the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from aiokafka.errors import KafkaError

from tocsin.kafka.errors import RecordTooLarge
from tocsin.kafka.produce.packing import BATCH_BYTES, BatchBuilder, Limits
from tocsin.kafka.records import BATCH_OVERHEAD, ProducerRecord, RecordMetadata, TopicPartition

# Seconds from one request to the next: a request costs the broker as much as twenty records. The first after a rest waits for nothing.
GATHER = 0.002


class Producer(Protocol):
    """What of aiokafka's producer is used here."""

    def create_batch(self) -> Any: ...

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> "asyncio.Future[Any]": ...


class Call:
    """The records of one caller. `future` is done when each of them is acknowledged, or has the first error."""

    __slots__ = ("_error", "_open", "_places", "future")

    def __init__(self, future: "asyncio.Future[None]") -> None:
        self.future = future
        self._places: list[tuple[GatheredBatch, int]] = []
        self._open = 0
        self._error: BaseException | None = None

    def put(self, batch: "GatheredBatch", record: ProducerRecord, size: int) -> bool:
        """Whether there was room for the record; then it is in the batch."""
        place = batch.append(record, size)
        if place is None:
            return False
        self._places.append((batch, place))
        if not batch.calls or batch.calls[-1] is not self:
            batch.calls.append(self)
            self._open += 1
        return True

    def settle(self, error: BaseException | None) -> None:
        """One batch with records of this call has ended."""
        self._open -= 1
        self._error = self._error or error
        if self._open or self.future.done():
            return
        if self._error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self._error)

    @property
    def stored(self) -> list[RecordMetadata]:
        """Where the records stand, in the order given, once all are acknowledged."""
        return [batch.place_of(place) for batch, place in self._places]


class GatheredBatch:
    """Records of one partition that go to the broker together, and the calls they came with."""

    __slots__ = ("_builder", "_most", "_size", "calls", "count", "held", "partition", "stored")

    def __init__(self, partition: TopicPartition, builder: BatchBuilder, *, most: int) -> None:
        self.partition = partition
        self.calls: list[Call] = []
        self.count = 0
        self.held = 0
        """Bytes of its records, each as if it were alone: what the bound on memory counts."""
        self.stored: Any = None
        """aiokafka's word of where the first record stands, once it is acknowledged."""
        self._builder = builder
        self._most = most
        self._size = BATCH_OVERHEAD

    def append(self, record: ProducerRecord, size: int) -> int | None:
        """The record's number in the batch; None where it does not fit any more."""
        if self.count and self._size + size - BATCH_OVERHEAD > self._most:
            return None
        added = self._builder.append(
            timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
        )
        if added is None:
            return None
        self._size += size - BATCH_OVERHEAD
        self.held += size
        self.count += 1
        return self.count - 1

    def closed(self) -> BatchBuilder:
        """What aiokafka sends: nothing is added any more."""
        self._builder.close()
        return self._builder

    def place_of(self, number: int) -> RecordMetadata:
        """Where one record stands."""
        first = self.stored
        offset = first.offset + number if first.offset >= 0 else -1
        return RecordMetadata(first.topic, first.partition, offset, first.timestamp)


class Gathering:
    """The records of one producer that are not acknowledged yet. A partition has one batch out at most, so that its records keep their order.

    `ended` is called with each batch, whatever became of it; `refused` with the error of one that the broker did not take. Such a batch
    leaves a gap in the sequence that the broker checks, so the producer is of no use after it.
    """

    def __init__(
        self,
        producer: Producer,
        *,
        limits: Limits,
        ended: Callable[[GatheredBatch], None],
        refused: Callable[[BaseException], None],
    ) -> None:
        self._producer = producer
        self._limits = limits
        self._ended = ended
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[TopicPartition, deque[GatheredBatch]] = {}
        self._out: set[TopicPartition] = set()
        self._turn: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._handing_over: set[asyncio.Task[None]] = set()
        self._abandoned = False
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, records: Iterable[tuple[int, ProducerRecord, int]]) -> Call:
        """The records, at least one and each with its partition and size, are on their way in this order; nobody can take them back."""
        call = Call(self._loop.create_future())
        for number, record, size in records:
            self._put(call, TopicPartition(record.topic, number), record, size)
        self._empty.clear()
        self._plan()
        return call

    async def abandon(self) -> None:
        """Returns once nothing is handed over any more: a closed producer would never learn where records belong. Calls that wait end
        by their deadlines."""
        self._abandoned = True
        if self._turn is not None:
            self._turn.cancel()
        for task in self._handing_over:
            task.cancel()
        if self._handing_over:
            await asyncio.wait(self._handing_over)

    async def emptied(self) -> None:
        """Returns once nothing waits and nothing is out."""
        await self._empty.wait()

    def _put(self, call: Call, partition: TopicPartition, record: ProducerRecord, size: int) -> None:
        batches = self._waiting.get(partition)
        if batches is None:
            batches = self._waiting[partition] = deque()
        if batches and call.put(batches[-1], record, size):
            return
        most = min(BATCH_BYTES, self._limits.of(record.topic))
        batches.append(GatheredBatch(partition, self._producer.create_batch(), most=most))
        if not call.put(batches[-1], record, size):
            raise RecordTooLarge(topic=record.topic, size=size, limit=most)

    def _plan(self) -> None:
        if self._turn is None and not self._abandoned:
            self._turn = self._loop.call_at(self._not_before, self._take_turn)

    def _take_turn(self) -> None:
        """Hand over one batch of each partition that has none out."""
        self._turn = None
        self._not_before = self._loop.time() + GATHER
        ready = [
            batches.popleft() for partition, batches in self._waiting.items() if partition not in self._out
        ]
        for batch in ready:
            self._out.add(batch.partition)
            if not self._waiting[batch.partition]:
                del self._waiting[batch.partition]
        if ready:
            task = self._loop.create_task(self._hand_over(ready))
            self._handing_over.add(task)
            task.add_done_callback(self._handing_over.discard)

    async def _hand_over(self, batches: Iterable[GatheredBatch]) -> None:
        for batch in batches:
            topic, number = batch.partition
            try:
                sent = await self._producer.send_batch(batch.closed(), topic, partition=number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told to those who wait for the batch
                self._end(batch, error)
            else:
                sent.add_done_callback(partial(self._acknowledged, batch))

    def _acknowledged(self, batch: GatheredBatch, sent: "asyncio.Future[Any]") -> None:
        """Also of what nobody waits for any more."""
        error = KafkaError("given up") if sent.cancelled() else sent.exception()
        if error is None:
            batch.stored = sent.result()
        elif not sent.cancelled():
            self._refused(error)
        self._end(batch, error)

    def _end(self, batch: GatheredBatch, error: BaseException | None) -> None:
        self._out.discard(batch.partition)
        self._ended(batch)
        for call in batch.calls:
            call.settle(error)
        batch.calls = []
        if self._waiting:
            self._plan()
        elif not self._out:
            self._empty.set()
