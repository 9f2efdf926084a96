"""A table made of a log: rows and position live in one database transaction, so each record counts exactly once."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka.errors import ConsumptionStopped, DrainTooSlow, NoProgress
from tocsin.kafka.fetching import AT_ONCE, Fetching
from tocsin.kafka.group_member import GroupMember
from tocsin.kafka.lease import Lease
from tocsin.kafka.offsets import offset_missing
from tocsin.kafka.projection_gauges import ProjectionGauges
from tocsin.kafka.projection_store import Chunk, ProjectionStore
from tocsin.kafka.records import Record, TopicPartition, from_consumer
from tocsin.kafka.seams import committed_with_metadata, raise_errors
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.waiting import wait_for_topics
from tocsin.observability import get_logger
from tocsin.runtime.bounds import OTHERS, GroupTimeouts
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

log = get_logger(__name__)

POLL_SECONDS = 0.2
# So many records are unpacked before others get a turn on the event loop.
SLICE_RECORDS = 250


class Projection:
    """A component: a member of ``group`` that hands what it reads to ``store``, many partitions at a time.

    Reading starts where the store says; where it says nothing, at the group's committed offset; where there is
    none, OffsetMissing names the command. A chunk is handed over only while its partition is held, one call at
    a time; a rebalance waits for the call under way, and what was read and not stored is dropped.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        store: ProjectionStore,
        health: Health,
        clock: Clock,
        timeouts: GroupTimeouts = OTHERS,
        batch_records: int = 5_000,
        partition_bytes: int = 262_144,
        fetching: Fetching = AT_ONCE,
    ) -> None:
        self.name = f"group {group}"
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._store = store
        self._timeouts = timeouts
        self._batch_records = batch_records
        self._check = health.check(f"kafka group {group}")
        self._gauges = ProjectionGauges(group=group, prefix=settings.topic_prefix, clock=clock)
        self._clock = clock
        self._lease = Lease(clock=clock, seconds=timeouts.lease)
        self._member = GroupMember(
            settings=settings,
            group=group,
            topics=topics,
            timeouts=timeouts,
            lease=self._lease,
            assignor=RoundRobinPartitionAssignor,
            assigned=self._begin,
            revoked=self._give_back,
            failed=self._fail,
            partition_bytes=partition_bytes,
            fetching=fetching,
        )
        self._moved = clock.monotonic()
        self._taken = False
        self._assignment = 0
        self._expected: dict[TopicPartition, int | None] = {}
        self._next: dict[TopicPartition, int] = {}
        self._storing = asyncio.Lock()
        self._taking: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[None] | None = None
        self._leaving = False

    @property
    def held(self) -> frozenset[TopicPartition]:
        """The partitions read now."""
        return frozenset(self._next)

    async def open(self) -> None:
        """Wait for the brokers and the topics, with a visible reason."""
        await wait_for_topics(self._settings, self._topics, check=self._check)
        self._check.set_not_ready("not assigned yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``. Raises OwnershipLost, TopicFault, or what the store raised."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._member.join()
        polling = asyncio.create_task(self._poll(), name=f"poll {self._group}")
        watching = asyncio.create_task(self._watch(), name=f"watch {self._group}")
        stopped = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [polling, watching, stopped, self._failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._leaving = True
            if polling.done() and isinstance(polling.exception(), ConsumptionStopped):
                await self._stand_still(str(polling.exception()), stop)
                return
            for task in (polling, watching):
                if task.done():
                    task.result()
            if self._failed.done():
                self._failed.result()
            # It ends by itself at the next look; a getmany that is cancelled leaves aiokafka confused.
            await polling
            await self._member.leave()
        finally:
            self._check.set_not_ready("stopped")
            await _cancel([watching, stopped, polling])

    async def close(self) -> None:
        """Leave the group and disconnect."""
        if self._taking is not None:
            await _cancel([self._taking])
        await self._member.leave()

    async def _stand_still(self, why: str, stop: asyncio.Event) -> None:
        log.error("consumption stopped", group=self._group, reason=why)
        self._next, self._expected = {}, {}
        await self._member.leave()
        self._check.set_not_ready(why)
        await stop.wait()

    # Reading

    async def _poll(self) -> None:
        consumer = self._member.consumer
        while not self._leaving:
            self._moved = self._clock.monotonic()
            if not self._next:
                raise_errors(consumer)
                await asyncio.sleep(POLL_SECONDS)
                continue
            assignment = self._assignment
            try:
                found = await self._read(consumer)
            except NoOffsetForPartitionError:
                self._rewind()  # what aiokafka met before our seek: the store has a position, the group has none
                continue
            except OffsetOutOfRangeError as exc:
                raise self._no_longer_kept(exc) from exc
            if found:
                await self._hand_over(assignment, found)

    async def _read(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Record]]:
        """What is there, up to the batch's size; waits only for the first of it."""
        found: dict[TopicPartition, list[Record]] = {}
        total, wait_ms = 0, round(POLL_SECONDS * 1000)
        while total < self._batch_records and self._next:
            held = [AioTopicPartition(*partition) for partition in self._next]
            most = min(SLICE_RECORDS, self._batch_records - total)
            got = await consumer.getmany(*held, timeout_ms=wait_ms, max_records=most)
            if not got:
                break
            for partition, records in got.items():
                read = found.setdefault(TopicPartition(*partition), [])
                read.extend(map(from_consumer, records))
                self._gauges.handed(TopicPartition(*partition), oldest_ms=read[0].timestamp_ms)
                total += len(records)
            wait_ms = 0
            await asyncio.sleep(0)
        return found

    async def _hand_over(self, assignment: int, found: Mapping[TopicPartition, list[Record]]) -> None:
        async with self._storing:
            if assignment != self._assignment:
                self._rewind()
                return
            chunks = [self._chunk(partition, records) for partition, records in found.items()]
            await self._store.store(chunks)
            for chunk in chunks:
                if assignment == self._assignment:  # else it was given back meanwhile, and stays so
                    self._expected[chunk.partition] = self._next[chunk.partition] = chunk.next
                latest = chunk.records[-1].timestamp_ms
                self._gauges.stored(chunk.partition, records=len(chunk.records), latest_ms=latest)

    def _chunk(self, partition: TopicPartition, records: list[Record]) -> Chunk:
        if records[0].offset < self._next[partition]:
            raise RuntimeError(f"{records[0].ref} was read where {self._next[partition]} was due.")
        last = records[-1].offset
        return Chunk(partition=partition, records=records, expected=self._expected[partition], next=last + 1)

    def _rewind(self) -> None:
        """What was read is dropped; begin again where the store stands. When the partitions changed while we
        read, some of it may be of the new assignment."""
        self._gauges.dropped()
        for partition, offset in self._next.items():
            self._member.consumer.seek(AioTopicPartition(*partition), offset)

    def _no_longer_kept(self, exc: OffsetOutOfRangeError) -> Exception:
        offsets = exc.args[0] if isinstance(exc.args[0], dict) else {}
        listed = ", ".join(
            f"{topic}/{number} at {offset}" for (topic, number), offset in sorted(offsets.items())
        )
        return ConsumptionStopped(
            f"Group {self._group} was away for longer than its topics are kept: there is no {listed} any more."
        )

    # Assigned and revoked

    def _begin(self, assigned: Collection[TopicPartition]) -> None:
        """The broker gave us these partitions, and they are paused already: look up positions, seek, resume."""
        if self._failed is None or self._failed.done() or self._leaving:
            return
        self._member.begin_lease()
        self._assignment += 1
        self._gauges.assigned()
        self._check.set_not_ready("taking its partitions")
        self._taking = asyncio.create_task(self._take(sorted(assigned)))
        self._taking.add_done_callback(self._note_end)

    async def _take(self, assigned: Sequence[TopicPartition]) -> None:
        consumer = self._member.consumer
        held = await self._store.take(assigned) if assigned else {}
        missing = [partition for partition in assigned if partition not in held]
        committed = await committed_with_metadata(consumer, missing) if missing else {}
        without = [partition for partition in missing if partition not in committed]
        if without:
            raise offset_missing(self._group, without)
        await self._member.beat()
        starts = dict(held) | {partition: committed[partition][0] for partition in missing}
        for partition, offset in starts.items():
            consumer.seek(AioTopicPartition(*partition), offset)
        self._expected = {partition: held.get(partition) for partition in assigned}
        self._next = starts
        consumer.resume(*(AioTopicPartition(*partition) for partition in assigned))
        self._taken = True
        self._show_health()
        log.info("took partitions", group=self._group, partitions=len(assigned), assignment=self._assignment)

    async def _give_back(self) -> None:
        """Hand nothing over any more, and wait until what is under way has ended."""
        self._assignment += 1
        self._next, self._expected = {}, {}
        self._taken = False
        self._check.set_not_ready("rebalancing")
        if self._taking is not None:
            await _cancel([self._taking])
        try:
            async with asyncio.timeout(self._timeouts.drain_timeout), self._storing:
                self._gauges.forget()
        except TimeoutError as exc:
            msg = (
                f"What group {self._group} was storing did not end within {self._timeouts.drain_timeout:g} s."
            )
            raise DrainTooSlow(msg) from exc

    # Failing

    def _fail(self, exc: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(exc)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._fail(exc)

    async def _watch(self) -> None:
        """A poll or a store that stands still is not alive because heartbeats are."""
        bound = self._timeouts.progress_timeout
        while True:
            await asyncio.sleep(min(1.0, bound / 4))
            if self._leaving:
                return
            self._gauges.show(self._member.consumer, self._next)
            self._show_health()
            if self._clock.monotonic() - self._moved > bound:
                what = "stored" if self._storing.locked() else "read"
                raise NoProgress(f"Group {self._group} has {what} nothing for {bound:g} s.")

    def _show_health(self) -> None:
        if not self._taken:
            return
        if self._lease.ok():
            self._check.set_ready()
        else:
            self._check.set_not_ready("the group coordinator does not answer heartbeats")


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End tasks and wait until they have; what they raise has been noted already."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            with contextlib.suppress(Exception):
                task.result()
