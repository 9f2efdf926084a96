"""Membership of a consumer group by slots: fencing, draining and the lease."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition as AioTopicPartition

from tocsin.kafka.assignor import SlotAssignor, equal_count
from tocsin.kafka.errors import DrainTooSlow, NoProgress, OwnershipLost, PartitionsUnequal
from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.fetching import AT_ONCE, Fetching
from tocsin.kafka.group_gauges import GroupGauges
from tocsin.kafka.group_member import GroupMember
from tocsin.kafka.lease import Lease
from tocsin.kafka.offsets import Position
from tocsin.kafka.packing import Limits
from tocsin.kafka.records import Outgoing, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Slot
from tocsin.kafka.slot_reading import SlotReader
from tocsin.kafka.slot_taking import SlotTaker
from tocsin.kafka.waiting import wait_for_topics
from tocsin.observability import get_logger
from tocsin.runtime.bounds import LEAVE, GroupTimeouts
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health

log = get_logger(__name__)


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
        timeouts: GroupTimeouts,
        work: Callable[[Slot], Awaitable[None]],
        health: Health,
        clock: Clock,
        limits: Mapping[str, int] | None = None,
        gather: float = 0.02,
        buffer_records: int = 5_000,
        buffer_bytes: int = 16_777_216,
        fetching: Fetching = AT_ONCE,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.name = f"group {group}"
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._slots = slots
        self._timeouts = timeouts
        self._work = work
        self._clock = clock
        self._failpoints = failpoints
        self._check = health.check(f"kafka group {group}")
        self._lease = Lease(clock=clock, seconds=timeouts.lease)
        self._gauges = GroupGauges(group=group, prefix=settings.topic_prefix, clock=clock)
        assignor = SlotAssignor(slots=slots)
        self._member = GroupMember(
            settings=settings,
            group=group,
            topics=topics,
            timeouts=timeouts,
            lease=self._lease,
            assignor=assignor,
            assigned=self._begin,
            revoked=self._give_back,
            failed=self._fail,
            fetching=fetching,
        )
        self._reader = SlotReader(
            group=group,
            slots=slots,
            held=lambda: self._held,
            refusal=lambda: assignor.refusal,
            consumed=self._gauges.consumed,
            clock=clock,
        )
        self._taker = SlotTaker(
            settings=settings,
            group=group,
            slots=slots,
            limits=Limits(limits),
            clock=clock,
            timeouts=timeouts,
            gather=gather,
            buffer_records=buffer_records,
            buffer_bytes=buffer_bytes,
            failpoints=failpoints,
            lease_ok=self._lease.ok,
            room=self._reader.make_room,
            failed=self._fail,
            observe=self._gauges.transaction,
        )
        self._assignment = 0
        self._held: dict[int, Slot] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._taking: asyncio.Task[None] | None = None
        self._giving_back = asyncio.Lock()
        self._failed: asyncio.Future[None] | None = None
        self._leaving = False
        self._taken = False

    # The component

    async def open(self) -> None:
        """Wait for the brokers and the topics (with a visible reason), check partition counts."""
        counts = await wait_for_topics(self._settings, self._topics, check=self._check)
        count = equal_count(counts)
        if count < self._slots:
            msg = f"Group {self._group} counts {self._slots} slots, but its topics have {count} partitions."
            raise PartitionsUnequal(msg)
        self._check.set_not_ready("not assigned yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``; then drain. Raises OwnershipLost, TopicFault, or what ``work`` raised."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._member.join()
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(self._reader.run(self._member.consumer), name=f"poll {self._group}"),
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
            await self._member.leave()
        finally:
            self._check.set_not_ready("stopped")
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
            async with asyncio.timeout(LEAVE):
                await self._taker.release()
        await self._member.leave()

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

    # Assigned and revoked

    def _begin(self, assigned: frozenset[TopicPartition]) -> None:
        """The broker gave us these partitions, and they are paused already: fence, look up, resume."""
        if self._failed is None or self._failed.done() or self._leaving:
            return
        self._member.begin_assignment()
        self._assignment += 1
        self._gauges.assigned()
        self._check.set_not_ready("taking its slots")
        self._taking = asyncio.create_task(self._take(self._assignment, assigned))
        self._taking.add_done_callback(self._note_end)

    async def _take(self, assignment: int, assigned: frozenset[TopicPartition]) -> None:
        began = self._clock.monotonic()
        consumer = self._member.consumer
        beat = asyncio.create_task(self._member.beat())
        try:
            held = await self._taker.take(consumer, assignment, assigned)
            await beat
        finally:
            await _cancel([beat])
        self._held = {slot.number: slot for slot in held}
        self._reader.touch()
        for slot in held:
            task = asyncio.create_task(self._work_on(slot), name=f"slot {self._group}.{slot.number}")
            self._tasks[slot.number] = task
            task.add_done_callback(self._note_end)
        consumer.resume(*(AioTopicPartition(*partition) for partition in assigned))
        self._reader.make_room()
        self._taken = True
        self._check.set_ready()
        self._gauges.taken(len(held), self._clock.monotonic() - began)
        log.info("took slots", group=self._group, slots=sorted(self._held), assignment=assignment)

    async def _work_on(self, slot: Slot) -> None:
        await self._work(slot)
        if not slot.revoked.is_set():
            raise RuntimeError(f"The work on slot {slot.number} of {self._group} ended by itself.")

    async def _give_back(self) -> None:
        """Stop taking, let what is in flight end and commit within the drain bound, drop what is buffered."""
        async with self._giving_back:
            self._taken = False
            self._check.set_not_ready("rebalancing")
            if self._taking is not None:
                await _cancel([self._taking])
            self._member.check_not_expelled()
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
        _, late = await asyncio.wait(tasks.values(), timeout=self._timeouts.drain_timeout)
        if late:
            numbers = sorted(number for number, task in tasks.items() if task in late)
            await _cancel(late)
            listed = ", ".join(map(str, numbers))
            msg = f"What slots {listed} of {self._group} held did not end within {self._timeouts.drain_timeout:g} s."
            raise DrainTooSlow(msg)
        for task in tasks.values():
            task.result()

    async def _give_back_or_fail(self) -> None:
        try:
            await self._give_back()
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

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        exc = task.exception()
        if exc is not None:
            self._fail(exc)

    async def _watch(self) -> None:
        """A frozen loop or worker is not alive because its heartbeats are."""
        while True:
            await asyncio.sleep(min(1.0, self._timeouts.progress_timeout / 4))
            self._gauges.show(self._member.consumer, self._held)
            self._show_health()
            now, bound = self._clock.monotonic(), self._timeouts.progress_timeout
            if self._held and now - self._reader.polled > bound:
                raise NoProgress(f"Group {self._group} has read nothing for {bound:g} s.")
            for slot in self._held.values():
                if slot.idle_since is not None and now - slot.idle_since > bound:
                    raise NoProgress(f"Slot {slot.number} of {self._group} stood still for {bound:g} s.")

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
