"""Consumer groups in memory: Kafka's eager protocol, in which all members give everything back before any gets its share."""

import asyncio
import contextlib
import itertools
from collections.abc import Collection, Mapping, Sequence

from tocsin.kafka import CommittedOffset, ConsumerRecord, OwnershipLost, TopicPartition
from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.consume.member import (
    Listener,
    Member,
    MemberSpec,
    NoCommittedOffset,
    OffsetNotKept,
)
from tocsin.kafka.lag import LogEnds
from tocsin.testing.kafka.log import Logs


class MemoryGroup:
    """The coordinator's side of one group. ``committed`` may be read and set by tests."""

    def __init__(self, name: str, logs: Logs) -> None:
        self.name = name
        self.committed: dict[TopicPartition, CommittedOffset] = {}
        self.generation = 0
        self.silent = False
        """Whether commits get no answer, as while a coordinator is away."""
        self.members: dict[str, MemoryMember] = {}
        """By member id; the first is the leader."""
        self._logs = logs
        self._joining: dict[str, asyncio.Future[frozenset[TopicPartition]]] = {}
        self._numbers = itertools.count(1)

    def join(self, member: "MemoryMember") -> "asyncio.Future[frozenset[TopicPartition]]":
        """What the member gets, once all members have joined, who are called. One that is not known gets a new id."""
        if member.member_id not in self.members:
            member.member_id = f"member-{next(self._numbers)}"
            self.members[member.member_id] = member
        future = asyncio.get_running_loop().create_future()
        self._joining[member.member_id] = future
        self._rebalance()
        return future

    def expel(self, member: "MemoryMember") -> None:
        """Go on without the member, as after a session without heartbeats, or when it leaves. It learns of it by its
        next heartbeat or commit."""
        if self.members.pop(member.member_id, None) is not None:
            self._joining.pop(member.member_id, None)
            self._rebalance()

    def _rebalance(self) -> None:
        """Call the members; once all have joined, a generation begins, and its leader says who gets what."""
        absent = self.members.keys() - self._joining.keys()
        for member_id in absent:
            self.members[member_id].called.set()
        if absent or not self.members:
            return
        leader = next(iter(self.members.values()))
        try:
            metadata = {
                name: member.spec.assignor.metadata(member.spec.topics)
                for name, member in self.members.items()
            }
            assignments = leader.spec.assignor.assign(self._logs, metadata)
        except Exception as error:  # noqa: BLE001 - the leader raises it from its next poll
            leader.error = error
            return
        self.generation += 1
        joining, self._joining = self._joining, {}
        for member_id, member in self.members.items():
            member.spec.assignor.on_assignment(assignments[member_id])
            given = assignments[member_id].assignment
            partitions = frozenset(
                TopicPartition(topic, number) for topic, numbers in given for number in numbers
            )
            member.begin(self.generation, partitions)
            if not joining[member_id].done():
                joining[member_id].set_result(partitions)


class MemoryMember(Member):
    """`tocsin.kafka`'s `Member`, of a `MemoryGroup`. Heartbeats are sent by the machine's clock; the lease counts by its own.
    Records are not waited for as `Fetching` says."""

    member_id = ""
    generation = -1

    def __init__(self, spec: MemberSpec, *, group: MemoryGroup, logs: Logs) -> None:
        self.spec = spec
        self.called = asyncio.Event()
        """Set when the group wants the member to join again."""
        self.error: Exception | None = None
        self._group = group
        self._logs = logs
        self._positions: dict[TopicPartition, int] = {}
        self._nowhere: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, listener: Listener) -> None:
        self._tasks = [
            asyncio.create_task(self._coordinate(listener), name=f"coordination of {self._group.name}"),
            asyncio.create_task(self._send_heartbeats(), name=f"heartbeats of {self._group.name}"),
        ]

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._group.expel(self)
        self._positions = {}

    async def _coordinate(self, listener: Listener) -> None:
        """A callback that failed is the last: this member joins no more, and leaves when its owner says so."""
        try:
            while True:
                await listener.revoked()
                self.called.clear()
                listener.assigned(await self._group.join(self))
                await self.called.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, the listener is told
            listener.failed(error)

    def begin(self, generation: int, partitions: frozenset[TopicPartition]) -> None:
        """An assignment is active, and reading is paused. The group is asked where to read before the listener can say so;
        what it does not know waits for the first poll, as in aiokafka."""
        committed = self._group.committed
        self.generation = generation
        self._positions = {place: committed[place].offset for place in partitions if place in committed}
        self._nowhere = set(partitions - committed.keys())
        self._paused = set(partitions)

    async def poll(
        self, partitions: Sequence[TopicPartition], *, max_records: int, seconds: float
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        self.raise_errors()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (records := self._fetch(partitions, max_records)):
                    await self._logs.changed()
        return records

    def _fetch(
        self, partitions: Sequence[TopicPartition], max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        if nowhere := self._nowhere.intersection(partitions):
            self._nowhere -= nowhere
            raise NoCommittedOffset(nowhere)
        positions = {
            place: self._positions[place]
            for place in partitions
            if place in self._positions and place not in self._paused
        }
        logs = {place: self._logs.at(place) for place in positions}
        if beyond := {
            place: at for place, at in positions.items() if not logs[place].start <= at <= logs[place].end
        }:
            raise OffsetNotKept(beyond)
        fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        for place, position in positions.items():
            records, self._positions[place] = self._logs.at(place).read(position, max_records)
            max_records -= len(records)
            if records:
                fetched[place] = records
        return fetched

    def raise_errors(self) -> None:
        if self.error is not None:
            raise self.error

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        self._positions.update(positions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self._paused.difference_update(partitions)

    async def committed(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, CommittedOffset]:
        await asyncio.sleep(0)  # a call over the network lets others run
        committed = self._group.committed
        return {place: committed[place] for place in partitions if place in committed}

    async def kept(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, KeptRange]:
        await asyncio.sleep(0)
        return {
            place: KeptRange(self._logs.at(place).start, self._logs.at(place).end) for place in partitions
        }

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> bool:
        await asyncio.sleep(0)
        if not self._is_known or self.generation != self._group.generation:
            raise OwnershipLost(
                f"The group {self._group.name} refused a commit of offsets: generation {self.generation} is over."
            )
        if self._group.silent:
            await asyncio.sleep(0.01)
            return False
        self._group.committed |= positions
        return True

    async def beat(self) -> None:
        await self.spec.lease.beat(self._heartbeat, lambda: self.generation)

    async def _heartbeat(self) -> bool:
        """One that was expelled hears of it, and has to join under another id."""
        await asyncio.sleep(0)
        if not self._is_known:
            self.member_id, self.generation = "", -1
            self.called.set()
        return self._is_known

    @property
    def _is_known(self) -> bool:
        return self._group.members.get(self.member_id) is self

    async def _send_heartbeats(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self.spec.timeouts.heartbeat_interval)

    def log_ends(self, partition: TopicPartition) -> LogEnds | None:
        if partition not in self._positions:
            return None
        log = self._logs.at(partition)
        return LogEnds(self._positions[partition], log.stable, log.end)
