"""Membership of a consumer group by slots: fencing, draining and the lease."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka.assignor import SlotAssignor, equal_count
from tocsin.kafka.errors import DrainTooSlow, NoProgress, OwnershipLost, PartitionsUnequal
from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.group_gauges import GroupGauges
from tocsin.kafka.lease import Lease
from tocsin.kafka.offsets import Position, offset_missing
from tocsin.kafka.packing import Limits
from tocsin.kafka.poll_order import PollOrder
from tocsin.kafka.records import Outgoing, TopicPartition, from_consumer
from tocsin.kafka.seams import Membership, end_coordination, raise_errors
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Slot
from tocsin.kafka.slot_taking import SlotTaker
from tocsin.kafka.slots import slot_of
from tocsin.kafka.timings import GroupTimings
from tocsin.kafka.waiting import wait_for_topics
from tocsin.observability import get_logger
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

log = get_logger(__name__)

# One look at the log: short enough that no slice of work holds the event loop for long.
POLL_SECONDS = 0.2
POLL_RECORDS = 500
# What the broker may still be asked for after the drain, when this process leaves.
LEAVE_SECONDS = 5.0
# aiokafka's own watchdog would expel a member whose window is full while a provider is away.
NEVER_MS = 2**31 - 1


class SlotGroup:
    """A component: joins ``group``, takes the slots it is given, and runs ``work(slot)`` for each.

    ``work`` is one coroutine per slot and assignment. It takes batches until `Slot.take` returns None, ends
    what is in flight and returns; whatever it raises ends the process. All topics have the same number of
    partitions. ``gather`` is the least time in seconds from the start of one transaction of a slot to the
    start of the next (0 when idle: the first never waits). ``buffer_records`` and ``buffer_bytes`` bound
    what a slot holds unread; reading for it pauses beyond them.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        slots: int,
        timings: GroupTimings,
        work: Callable[[Slot], Awaitable[None]],
        health: Health,
        clock: Clock,
        limits: Mapping[str, int] | None = None,
        gather: float = 0.02,
        buffer_records: int = 5_000,
        buffer_bytes: int = 16_777_216,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.name = f"group {group}"
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._slots = slots
        self._timings = timings
        self._work = work
        self._clock = clock
        self._failpoints = failpoints
        self._check = health.check(f"kafka group {group}")
        self._lease = Lease(clock=clock, seconds=timings.lease)
        self._gauges = GroupGauges(group=group, prefix=settings.topic_prefix, clock=clock)
        self._taker = SlotTaker(
            settings=settings,
            group=group,
            slots=slots,
            limits=Limits(limits),
            clock=clock,
            timings=timings,
            gather=gather,
            buffer_records=buffer_records,
            buffer_bytes=buffer_bytes,
            failpoints=failpoints,
            lease_ok=self._lease.ok,
            room=self._make_room,
            failed=self._fail,
            observe=self._gauges.transaction,
        )
        self._assignor = SlotAssignor(slots=slots)
        self._order = PollOrder()
        self._consumer: AIOKafkaConsumer | None = None
        self._member_id: str | None = None
        self._assignment = 0
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._held: dict[int, Slot] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._taking: asyncio.Task[None] | None = None
        self._giving_back = asyncio.Lock()
        self._room_made = asyncio.Event()
        self._failed: asyncio.Future[None] | None = None
        self._leaving = False
        self._taken = False
        self._polled = clock.monotonic()

    # The component

    async def open(self) -> None:
        """Wait for the brokers and the topics (with a visible reason), check partition counts."""
        counts = await wait_for_topics(self._settings, self._topics, check=self._check)
        count = equal_count(counts)
        if count < self._slots:
            msg = f"Group {self._group} counts {self._slots} slots, but its topics have {count} partitions."
            raise PartitionsUnequal(msg)
        self._check.unready("not assigned yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``; then drain. Raises OwnershipLost, TopicFault, or what ``work`` raised."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._join()
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(self._poll(), name=f"poll {self._group}"),
            asyncio.create_task(self._watch(), name=f"watch {self._group}"),
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, stopped, self._failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._leaving = True
            for task in tasks:
                if task.done():
                    self._note_end(task)
            if not self._failed.done():
                await self._give_back_or_fail()
            if self._failed.done():
                self._failed.result()
            await self._leave()
        finally:
            self._check.unready("stopped")
            self._lease.end()
            await _cancel([*tasks, stopped, *self._tasks.values()])

    async def close(self) -> None:
        """Leave the group and disconnect; whatever is still held is dropped, not committed."""
        if self._taking is not None:
            await _cancel([self._taking])
        for slot in self._held.values():
            slot.end()
        self._held = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._taker.release()
        await self._leave()

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

    # What others may ask

    @property
    def held(self) -> dict[int, Slot]:
        """The slots held now, by number."""
        return dict(self._held)

    def lease_ok(self) -> bool:
        """Whether this member may act at all; see `Slot.lease_ok`."""
        return self._lease.ok()

    async def transaction(
        self,
        slot: int,
        outgoing: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, Position] | None = None,
    ) -> None:
        """`Slot.transaction` of a slot held now; OwnershipLost when it is not held."""
        if slot not in self._held:
            raise OwnershipLost(f"Slot {slot} of group {self._group} is not held by this process.")
        await self._held[slot].transaction(outgoing, offsets)

    # Joining and reading

    async def _join(self) -> None:
        timings = self._timings
        consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            group_id=self._group,
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=round(timings.session * 1000),
            heartbeat_interval_ms=round(timings.heartbeat * 1000),
            rebalance_timeout_ms=round(timings.rebalance * 1000),
            request_timeout_ms=round((timings.rebalance + 15) * 1000),
            max_poll_interval_ms=NEVER_MS,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        self._consumer = consumer
        await consumer.start()
        self._membership = Membership(consumer)
        self._membership.watch_heartbeats(
            lambda send: self._lease.beat(send, lambda: self._membership.generation)
        )
        consumer.subscribe(list(self._topics), listener=_Listener(self))

    async def _poll(self) -> None:
        consumer = self._open
        try:
            while not self._leaving:
                self._polled = self._clock.monotonic()
                await self._read(consumer)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as exc:
            partitions = exc.args[0] if isinstance(exc.args[0], dict) else [exc.args[0]]
            raise offset_missing(
                self._group, [TopicPartition(*partition) for partition in partitions]
            ) from exc
        except KafkaError as exc:
            if self._assignor.refusal is not None:
                raise self._assignor.refusal from exc
            raise

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
        """Records to their slots. No await lies between aiokafka's own look at the assignment and ours."""
        found = await consumer.getmany(
            *(AioTopicPartition(*partition) for partition in partitions),
            timeout_ms=round(seconds * 1000),
            max_records=POLL_RECORDS,
        )
        for partition, records in found.items():
            slot = self._held.get(slot_of(partition.partition, self._slots))
            if slot is not None and partition in slot.positions:
                slot.put([from_consumer(record) for record in records])
                self._gauges.consumed(partition.topic, len(records))
        return frozenset(TopicPartition(*partition) for partition in found)

    def _readable(self) -> set[TopicPartition]:
        return {
            partition
            for slot in self._held.values()
            if not slot.full and not slot.revoked.is_set()
            for partition in slot.positions
        }

    async def _wait_for_room(self) -> None:
        self._room_made.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._room_made.wait()

    def _make_room(self) -> None:
        self._room_made.set()

    # Assigned and revoked

    def begin(self, assigned: frozenset[TopicPartition]) -> None:
        """The broker gave us these partitions, and they are paused already: fence, look up, resume."""
        if self._failed is None or self._failed.done() or self._leaving:
            return
        if self._member_id is not None and self._member_id != self._membership.member_id:
            raise OwnershipLost(f"The group {self._group} knows this process under another name now.")
        self._member_id = self._membership.member_id
        self._assignment += 1
        self._assigned = assigned
        self._lease.begin(self._membership.generation)
        self._gauges.assigned()
        self._check.unready("taking its slots")
        self._taking = asyncio.create_task(self._take(self._assignment, assigned))
        self._taking.add_done_callback(self._note_end)

    async def _take(self, assignment: int, assigned: frozenset[TopicPartition]) -> None:
        began = self._clock.monotonic()
        consumer = self._open
        beat = asyncio.create_task(self._membership.beat())
        try:
            held = await self._taker.take(consumer, assignment, assigned)
            await beat
        finally:
            await _cancel([beat])
        self._held = {slot.number: slot for slot in held}
        self._polled = self._clock.monotonic()
        for slot in held:
            task = asyncio.create_task(self._work_on(slot), name=f"slot {self._group}.{slot.number}")
            self._tasks[slot.number] = task
            task.add_done_callback(self._note_end)
        consumer.resume(*(AioTopicPartition(*partition) for partition in assigned))
        self._room_made.set()
        self._taken = True
        self._check.ready()
        self._gauges.taken(len(held), self._clock.monotonic() - began)
        log.info("took slots", group=self._group, slots=sorted(self._held), assignment=assignment)

    async def _work_on(self, slot: Slot) -> None:
        await self._work(slot)
        if not slot.revoked.is_set():
            raise RuntimeError(f"The work on slot {slot.number} of {self._group} ended by itself.")

    async def give_back(self) -> None:
        """Stop taking, let what is in flight end and commit within the drain bound, drop what is buffered."""
        async with self._giving_back:
            self._taken = False
            self._check.unready("rebalancing")
            if self._taking is not None:
                await _cancel([self._taking])
            self._raise_if_expelled()
            for slot in self._held.values():
                slot.revoke()
            if self._held:
                await self._failpoints.reach("in_revoke")
            await self._drain()
            for slot in self._held.values():
                slot.end()
            self._held = {}
            self._lease.end()
            await self._taker.release()
            self._gauges.taken(0, None)

    async def _drain(self) -> None:
        tasks, self._tasks = dict(self._tasks), {}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks.values(), timeout=self._timings.drain)
        if late:
            numbers = sorted(number for number, task in tasks.items() if task in late)
            await _cancel(late)
            listed = ", ".join(map(str, numbers))
            msg = f"What slots {listed} of {self._group} held did not end within {self._timings.drain:g} s."
            raise DrainTooSlow(msg)
        for task in tasks.values():
            task.result()

    def _raise_if_expelled(self) -> None:
        if self._member_id is not None and self._membership.member_id != self._member_id:
            self._lease.end()
            raise OwnershipLost(f"The group {self._group} expelled this process: it was silent for too long.")

    async def _give_back_or_fail(self) -> None:
        try:
            await self.give_back()
        except Exception as exc:  # noqa: BLE001 - handed on by run()
            self._fail(exc)

    # Failing

    def _fail(self, exc: BaseException) -> None:
        """The first failure is what `run` raises; nothing is taken or committed after it."""
        if self._failed is None or self._failed.done():
            return
        self._lease.end()
        self._gauges.failed(exc)
        self._failed.set_exception(exc)

    async def fail_in_callback(self, exc: Exception) -> None:
        """aiokafka logs and drops an exception in a callback, and would join the group again. So the callback
        never returns: `_leave` ends the coordination while it waits here."""
        self._fail(exc)
        await asyncio.get_running_loop().create_future()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        exc = task.exception()
        if exc is not None:
            self._fail(exc)

    async def _watch(self) -> None:
        """A frozen loop or worker is not alive because its heartbeats are."""
        while True:
            await asyncio.sleep(min(1.0, self._timings.progress / 4))
            self._gauges.show(self._open, self._held)
            self._show_health()
            now, bound = self._clock.monotonic(), self._timings.progress
            if self._held and now - self._polled > bound:
                raise NoProgress(f"Group {self._group} has read nothing for {bound:g} s.")
            for slot in self._held.values():
                if slot.idle_since is not None and now - slot.idle_since > bound:
                    raise NoProgress(f"Slot {slot.number} of {self._group} stood still for {bound:g} s.")

    def _show_health(self) -> None:
        if not self._taken:
            return
        if self._lease.ok():
            self._check.ready()
        else:
            self._check.unready("the group coordinator does not answer heartbeats")

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError(f"{self.name} is not open")
        return self._consumer


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka makes an assignment active before it calls this."""

    def __init__(self, group: SlotGroup) -> None:
        self._group = group

    async def on_partitions_assigned(self, assigned: set[AioTopicPartition]) -> None:
        self._group._open.pause(*assigned)
        try:
            self._group.begin(frozenset(TopicPartition(*partition) for partition in assigned))
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._group.fail_in_callback(exc)

    async def on_partitions_revoked(self, revoked: set[AioTopicPartition]) -> None:  # noqa: ARG002 - it is always all
        try:
            await self._group.give_back()
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._group.fail_in_callback(exc)


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End tasks and wait until they have; what they raise has been noted already."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
