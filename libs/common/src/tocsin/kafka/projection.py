"""A table made of a log: rows and position live in one database transaction, so each record counts exactly once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka.errors import DrainTooSlow, KafkaFault
from tocsin.kafka.offsets import offset_missing
from tocsin.kafka.projection_gauges import ProjectionGauges
from tocsin.kafka.records import Record, TopicPartition, from_consumer
from tocsin.kafka.seams import committed_with_metadata, end_coordination, raise_errors
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.timings import OTHERS, GroupTimings
from tocsin.kafka.waiting import wait_for_topics
from tocsin.observability import get_logger
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

log = get_logger(__name__)

POLL_SECONDS = 0.2
# So many records are unpacked before others get a turn on the event loop.
SLICE_RECORDS = 250
LEAVE_SECONDS = 5.0
# A store may take as long as its database does; our own bounds end it, not aiokafka's watchdog.
NEVER_MS = 2**31 - 1


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one partition, in offset order.

    ``expected`` is the position the store must still hold for them to count; None when it held none as the
    partition was taken. ``next`` is the position to hold afterwards.
    """

    partition: TopicPartition
    records: Sequence[Record]
    expected: int | None
    next: int


class ProjectionStore(Protocol):
    """What keeps rows and positions together."""

    async def take(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions held for these partitions; a partition it has never seen is left out."""
        ...

    async def store(self, chunks: Sequence[Chunk]) -> None:
        """Keep the rows and move the positions, in one transaction, or neither. Raises OwnershipLost when a
        position is not the expected one: another process has the partition, and this one ends.
        ConsumptionStopped keeps the process but reads no further. Whatever else it raises ends the process."""
        ...


class ConsumptionStopped(KafkaFault):
    """The records cannot be what they should be. Reading stops, readiness fails with this sentence; mend and restart."""


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
        timings: GroupTimings = OTHERS,
        batch_records: int = 5_000,
        partition_bytes: int = 262_144,
    ) -> None:
        self.name = f"group {group}"
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._store = store
        self._timings = timings
        self._batch_records = batch_records
        self._partition_bytes = partition_bytes
        self._check = health.check(f"kafka group {group}")
        self._gauges = ProjectionGauges(group=group, prefix=settings.topic_prefix, clock=clock)
        self._consumer: AIOKafkaConsumer | None = None
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
        self._check.unready("not assigned yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``. Raises OwnershipLost, TopicFault, or what the store raised."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._join()
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
            await (
                polling
            )  # ends by itself at the next look; a getmany that is cancelled leaves aiokafka confused
            await self._leave()
        finally:
            self._check.unready("stopped")
            await _cancel([watching, stopped, polling])

    async def close(self) -> None:
        """Leave the group and disconnect."""
        if self._taking is not None:
            await _cancel([self._taking])
        await self._leave()

    async def _stand_still(self, why: str, stop: asyncio.Event) -> None:
        log.error("consumption stopped", group=self._group, reason=why)
        self._next, self._expected = {}, {}
        await self._leave()
        self._check.unready(why)
        await stop.wait()

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await end_coordination(consumer)
                await consumer.stop()
        except TimeoutError:
            log.warning("left the group without an answer", group=self._group)

    async def _join(self) -> None:
        timings = self._timings
        consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            group_id=self._group,
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            session_timeout_ms=round(timings.session * 1000),
            heartbeat_interval_ms=round(timings.heartbeat * 1000),
            rebalance_timeout_ms=round(timings.rebalance * 1000),
            request_timeout_ms=round((timings.rebalance + 15) * 1000),
            max_poll_interval_ms=NEVER_MS,
            max_partition_fetch_bytes=self._partition_bytes,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        self._consumer = consumer
        await consumer.start()
        consumer.subscribe(list(self._topics), listener=_Listener(self))

    # Reading

    async def _poll(self) -> None:
        consumer = self._open
        while not self._leaving:
            if not self._next:
                raise_errors(consumer)
                await asyncio.sleep(POLL_SECONDS)
                continue
            assignment = self._assignment
            try:
                found = await self._read(consumer)
            except NoOffsetForPartitionError as exc:
                self._seek_again(exc)
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
                found.setdefault(TopicPartition(*partition), []).extend(map(from_consumer, records))
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
                self._expected[chunk.partition] = self._next[chunk.partition] = chunk.next
                self._gauges.stored(chunk.partition, chunk.records)

    def _chunk(self, partition: TopicPartition, records: list[Record]) -> Chunk:
        if records[0].offset < self._next[partition]:
            raise RuntimeError(f"{records[0].ref} was read where {self._next[partition]} was due.")
        last = records[-1].offset
        return Chunk(partition=partition, records=records, expected=self._expected[partition], next=last + 1)

    def _rewind(self) -> None:
        """The partitions changed while we read. What was read is dropped, and some of it may be of the new
        assignment: begin that again where the store stands."""
        for partition, offset in self._next.items():
            self._open.seek(AioTopicPartition(*partition), offset)

    def _seek_again(self, exc: NoOffsetForPartitionError) -> None:
        """The group has no committed offset, but the store has a position: what aiokafka met before our seek."""
        partition = TopicPartition(*exc.args[0])
        if partition in self._next:
            self._open.seek(AioTopicPartition(*partition), self._next[partition])

    def _no_longer_kept(self, exc: OffsetOutOfRangeError) -> Exception:
        offsets = exc.args[0] if isinstance(exc.args[0], dict) else {}
        listed = ", ".join(
            f"{topic}/{number} at {offset}" for (topic, number), offset in sorted(offsets.items())
        )
        return ConsumptionStopped(
            f"Group {self._group} was away for longer than its topics are kept: there is no {listed} any more."
        )

    # Assigned and revoked

    def begin(self, assigned: Collection[TopicPartition]) -> None:
        """The broker gave us these partitions, and they are paused already: look up positions, seek, resume."""
        if self._failed is None or self._failed.done() or self._leaving:
            return
        self._assignment += 1
        self._gauges.assigned()
        self._check.unready("taking its partitions")
        self._taking = asyncio.create_task(self._take(sorted(assigned)))
        self._taking.add_done_callback(self._note_end)

    async def _take(self, assigned: Sequence[TopicPartition]) -> None:
        consumer = self._open
        held = await self._store.take(assigned) if assigned else {}
        missing = [partition for partition in assigned if partition not in held]
        committed = await committed_with_metadata(consumer, missing) if missing else {}
        without = [partition for partition in missing if partition not in committed]
        if without:
            raise offset_missing(self._group, without)
        starts = dict(held) | {partition: committed[partition][0] for partition in missing}
        for partition, offset in starts.items():
            consumer.seek(AioTopicPartition(*partition), offset)
        self._expected = {partition: held.get(partition) for partition in assigned}
        self._next = starts
        consumer.resume(*(AioTopicPartition(*partition) for partition in assigned))
        self._check.ready()
        log.info("took partitions", group=self._group, partitions=len(assigned), assignment=self._assignment)

    async def give_back(self) -> None:
        """Hand nothing over any more, and wait until what is under way has ended."""
        self._assignment += 1
        self._next, self._expected = {}, {}
        self._check.unready("rebalancing")
        if self._taking is not None:
            await _cancel([self._taking])
        try:
            async with asyncio.timeout(self._timings.drain), self._storing:
                self._gauges.forget()
        except TimeoutError as exc:
            msg = f"What group {self._group} was storing did not end within {self._timings.drain:g} s."
            raise DrainTooSlow(msg) from exc

    # Failing

    async def fail_in_callback(self, exc: Exception) -> None:
        """aiokafka would log and drop it, and join again; so the callback never returns, and `run` raises."""
        self._fail(exc)
        await asyncio.get_running_loop().create_future()

    def _fail(self, exc: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(exc)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._fail(exc)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._consumer is not None:
                self._gauges.show(self._consumer, self._next, idle=not self._storing.locked())

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError(f"{self.name} is not open")
        return self._consumer


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka makes an assignment active before it calls this."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    async def on_partitions_assigned(self, assigned: set[AioTopicPartition]) -> None:
        self._projection._open.pause(*assigned)
        await self._guard(self._begin(assigned))

    async def on_partitions_revoked(self, revoked: set[AioTopicPartition]) -> None:  # noqa: ARG002 - it is always all
        await self._guard(self._projection.give_back())

    async def _begin(self, assigned: set[AioTopicPartition]) -> None:
        self._projection.begin([TopicPartition(*partition) for partition in assigned])

    async def _guard(self, step: Awaitable[None]) -> None:
        try:
            await step
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._projection.fail_in_callback(exc)


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
