"""Reading for all shards of a membership by turns: every partition gets its share before any gets a second one."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from aiokafka.errors import KafkaError

from tocsin.kafka.consume.group_metrics import GroupMetrics
from tocsin.kafka.consume.member import Member, NoCommittedOffset, OffsetNotKept
from tocsin.kafka.consume.ownership import Ownership
from tocsin.kafka.consume.shard import Shard
from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.records import TopicPartition
from tocsin.runtime.clock import Clock

POLL_SECONDS = 0.2
# Of one read: so few that turning them into records holds the event loop for about a millisecond.
POLL_RECORDS = 500


class TurnReading:
    """Puts what a member reads into the shards it belongs to, until ``over``. `room` is set when a full shard can take more."""

    def __init__(
        self,
        *,
        group: str,
        ownership: Ownership[Shard],
        metrics: GroupMetrics,
        clock: Clock,
        over: asyncio.Event,
    ) -> None:
        self._group = group
        self._ownership = ownership
        self._metrics = metrics
        self._clock = clock
        self._over = over
        self._shards: tuple[Shard, ...] = ()
        self._owners: dict[TopicPartition, Shard] = {}
        self.room = asyncio.Event()
        self.turned = clock.monotonic()
        """When the last turn began (monotonic)."""

    def begin(self, shards: Iterable[Shard]) -> None:
        """Read for these from now on."""
        self._shards = tuple(shards)
        self._owners = {partition: shard for shard in self._shards for partition in shard.positions}
        self.turned = self._clock.monotonic()
        self.room.set()

    def end(self) -> None:
        """Read for nobody."""
        self._shards, self._owners = (), {}

    async def run(self, member: Member) -> None:
        """Until the membership is over. During a rebalance a read waits until the next assignment."""
        turn = 0
        while not self._over.is_set():
            self.turned = self._clock.monotonic()
            partitions = sorted(filter(self._is_readable, self._owners))
            turn = (turn + 1) % max(len(partitions), 1)
            try:
                if partitions:
                    await self._read(member, partitions[turn:] + partitions[:turn])
                else:
                    member.raise_errors()
                    self.room.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self.room.wait()
            except NoCommittedOffset:
                # aiokafka asked the group where to read before it was told where, and says so late. Reading goes on from
                # the position it was told.
                continue
            except OffsetNotKept as error:
                # Whoever acquires the partitions next looks at what is committed, and says what is lost.
                raise OwnershipLost(
                    f"What {self._group} was to read next is no longer kept: {error}."
                ) from error
            except KafkaError as error:
                if self._ownership.refusal is not None:
                    raise self._ownership.refusal from error
                raise

    async def _read(self, member: Member, partitions: Sequence[TopicPartition]) -> None:
        """One turn: wait for the first records, then look at the other partitions without waiting."""
        first = await self._get(member, partitions, seconds=POLL_SECONDS)
        if not first:
            return
        try:
            # With fewer than were asked for, nothing is left that was fetched: asking eight partitions in vain takes 0.1 ms.
            left = partitions if sum(first.values()) >= POLL_RECORDS else ()
            for partition in left:
                if partition not in first and self._is_readable(partition):
                    await self._get(member, [partition], seconds=0)
                    await asyncio.sleep(0)
        finally:
            for shard in self._shards:
                shard.wake()
        # What aiokafka has fetched already is read without an await that lets workers run.
        await asyncio.sleep(0)

    async def _get(
        self, member: Member, partitions: Sequence[TopicPartition], *, seconds: float
    ) -> dict[TopicPartition, int]:
        """Records to their shards, and how many of each partition. No await lies between aiokafka's own look at the assignment and ours, so they
        belong to the shards held now. A shard that is being released drops them; its next owner reads them again."""
        records = await member.poll(partitions, max_records=POLL_RECORDS, seconds=seconds)
        for partition, in_order in records.items():
            if shard := self._owners.get(partition):
                shard.put(in_order)
                self._metrics.consumed(partition.topic, len(in_order))
        return {partition: len(in_order) for partition, in_order in records.items()}

    def _is_readable(self, partition: TopicPartition) -> bool:
        shard = self._owners.get(partition)
        return shard is not None and not shard.full and not shard.revoked.is_set()
