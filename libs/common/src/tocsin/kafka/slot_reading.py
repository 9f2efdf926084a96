"""Reads for all slots held, by turns, and pauses for those whose worker is behind."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka.errors import PartitionsUnequal
from tocsin.kafka.offsets import offset_missing
from tocsin.kafka.poll_order import PollOrder
from tocsin.kafka.records import TopicPartition, from_consumer
from tocsin.kafka.seams import raise_errors
from tocsin.kafka.slot import Slot
from tocsin.kafka.slots import slot_of
from tocsin.runtime.clock import Clock

# One look at the log: short enough that no slice of work holds the event loop for long.
POLL_SECONDS = 0.2
POLL_RECORDS = 500


class SlotReader:
    """``held`` and ``refusal`` are asked anew at each turn; ``polled`` is when the last one began (monotonic)."""

    def __init__(
        self,
        *,
        group: str,
        slots: int,
        held: Callable[[], Mapping[int, Slot]],
        refusal: Callable[[], PartitionsUnequal | None],
        consumed: Callable[[str, int], None],
        clock: Clock,
    ) -> None:
        self._group = group
        self._slots = slots
        self._held = held
        self._refusal = refusal
        self._consumed = consumed
        self._clock = clock
        self._order = PollOrder()
        self._room = asyncio.Event()
        self.polled = clock.monotonic()

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled. OffsetMissing when a committed offset cannot be read from; PartitionsUnequal when
        this member leads the group and refused to assign."""
        try:
            while True:
                self.touch()
                await self._read(consumer)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as exc:
            named = exc.args[0] if isinstance(exc.args[0], dict) else [exc.args[0]]
            raise offset_missing(self._group, [TopicPartition(*partition) for partition in named]) from exc
        except KafkaError as exc:
            refusal = self._refusal()
            if refusal is not None:
                raise refusal from exc
            raise

    def make_room(self) -> None:
        """A slot can take more, or there are new ones: look again at once."""
        self._room.set()

    def touch(self) -> None:
        """Note that reading is alive."""
        self.polled = self._clock.monotonic()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        """One turn: wait for records, then give every other partition its share before anyone's second."""
        wanted = self._order.around(self._readable())
        if not wanted:
            raise_errors(consumer)
            await self._wait_for_room()
            return
        first = await self._get(consumer, wanted, seconds=POLL_SECONDS)
        if not first:
            return
        for partition in wanted:
            if partition not in first and partition in self._readable():
                await self._get(consumer, [partition], seconds=0)
                await asyncio.sleep(0)

    async def _get(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, seconds: float
    ) -> frozenset[TopicPartition]:
        """Records to their slots. No await lies between aiokafka's own look at the assignment and ours, so they
        belong to the slots held now; what a slot being given back drops is read again by its next owner."""
        found = await consumer.getmany(
            *(AioTopicPartition(*partition) for partition in partitions),
            timeout_ms=round(seconds * 1000),
            max_records=POLL_RECORDS,
        )
        for partition, records in found.items():
            slot = self._held().get(slot_of(partition.partition, self._slots))
            if slot is not None and partition in slot.positions:
                slot.put([from_consumer(record) for record in records])
                self._consumed(partition.topic, len(records))
        return frozenset(TopicPartition(*partition) for partition in found)

    def _readable(self) -> set[TopicPartition]:
        return {
            partition
            for slot in self._held().values()
            if not slot.full and not slot.revoked.is_set()
            for partition in slot.positions
        }

    async def _wait_for_room(self) -> None:
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._room.wait()
