"""Taking slots: fence the former owners, then see where they stopped."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError

from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.failpoints import Failpoints
from tocsin.kafka.offsets import Position, offset_missing
from tocsin.kafka.packing import Limits
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.seams import committed_with_metadata
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Slot
from tocsin.kafka.slots import slot_of, transactional_id
from tocsin.kafka.transaction_queue import TransactionQueue
from tocsin.kafka.transactions import TransactionalProducer
from tocsin.runtime.bounds import COMMIT, GroupTimeouts
from tocsin.runtime.clock import Clock


class SlotTaker:
    """Opens what a slot needs, in the order that ownership rests on, and releases it again."""

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        slots: int,
        limits: Limits,
        clock: Clock,
        timeouts: GroupTimeouts,
        gather: float,
        buffer_records: int,
        buffer_bytes: int,
        failpoints: Failpoints,
        lease_ok: Callable[[], bool],
        room: Callable[[], None],
        failed: Callable[[Exception], None],
        observe: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._group = group
        self._slots = slots
        self._limits = limits
        self._clock = clock
        self._timeouts = timeouts
        self._gather = gather
        self._buffer_records = buffer_records
        self._buffer_bytes = buffer_bytes
        self._failpoints = failpoints
        self._lease_ok = lease_ok
        self._room = room
        self._failed = failed
        self._observe = observe
        self._producers: dict[int, TransactionalProducer] = {}
        self._queues: list[TransactionQueue] = []

    async def take(
        self, consumer: AIOKafkaConsumer, assignment: int, assigned: Iterable[TopicPartition]
    ) -> list[Slot]:
        """The slots of ``assigned``, fenced, with the consumer at their committed offsets. OffsetMissing when
        one has none; OwnershipLost when a fence fails or takes too long."""
        partitions: dict[int, list[TopicPartition]] = defaultdict(list)
        for partition in sorted(assigned):
            partitions[slot_of(partition.partition, self._slots)].append(partition)
        await self._fence(partitions)
        positions = await self._positions(consumer, [*assigned])
        for partition, position in positions.items():
            consumer.seek(AioTopicPartition(*partition), position.offset)
        return [
            self._slot(consumer, number, assignment, {partition: positions[partition] for partition in owned})
            for number, owned in partitions.items()
        ]

    async def release(self) -> None:
        """Let transactions under way end, fail those that wait, and disconnect the producers."""
        queues, self._queues = self._queues, []
        producers, self._producers = self._producers, {}
        reason = OwnershipLost(f"The slots of {self._group} were given back.")
        await asyncio.gather(*(queue.close(reason) for queue in queues))
        await asyncio.gather(*(producer.close() for producer in producers.values()))

    async def _fence(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._producers[number] = TransactionalProducer(
                settings=self._settings,
                transactional_id=transactional_id(self._group, number),
                group=self._group,
                limits=self._limits,
                failpoints=self._failpoints,
            )
        try:
            async with asyncio.timeout(self._timeouts.fence_timeout):
                await self._failpoints.reach("before_fence")
                await asyncio.gather(*(producer.open() for producer in self._producers.values()))
                await self._failpoints.reach("after_fence")
        except (KafkaError, TimeoutError) as exc:
            msg = f"The former owners of the slots of {self._group} could not be fenced: {exc!r}."
            raise OwnershipLost(msg) from exc

    async def _positions(
        self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]
    ) -> dict[TopicPartition, Position]:
        committed = await committed_with_metadata(consumer, assigned)
        missing = [partition for partition in assigned if partition not in committed]
        if missing:
            raise offset_missing(self._group, missing)
        return {partition: Position(*committed[partition]) for partition in assigned}

    def _slot(
        self,
        consumer: AIOKafkaConsumer,
        number: int,
        assignment: int,
        positions: Mapping[TopicPartition, Position],
    ) -> Slot:
        queue = TransactionQueue(
            transactions=self._producers[number],
            limits=self._limits,
            clock=self._clock,
            gather=self._gather,
            failed=self._failed,
            observe=self._observe,
        )
        self._queues.append(queue)

        async def commit(offsets: Mapping[TopicPartition, Position]) -> None:
            await self._commit(consumer, number, offsets)

        return Slot(
            number=number,
            assignment=assignment,
            positions=positions,
            queue=queue,
            commit=commit,
            lease_ok=self._lease_ok,
            room=self._room,
            clock=self._clock,
            most_records=self._buffer_records,
            most_bytes=self._buffer_bytes,
        )

    async def _commit(
        self, consumer: AIOKafkaConsumer, number: int, offsets: Mapping[TopicPartition, Position]
    ) -> None:
        commits = {AioTopicPartition(*partition): tuple(position) for partition, position in offsets.items()}
        try:
            async with asyncio.timeout(COMMIT):
                await consumer.commit(commits)
        except (KafkaError, TimeoutError) as exc:
            msg = f"The group refused the offsets of slot {number} of {self._group}: {exc!r}."
            raise OwnershipLost(msg) from exc
