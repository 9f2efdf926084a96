"""The life of a consumer, read from top to bottom:

    join ─▶ acquire ─▶ read ─▶ work ─▶ drain ─▶ release ─▶ (acquire again | leave)
                └──────── watch, fail ────────┘

This is one process's part in a group; Kafka's group is all its members. A membership lasts from joining to leaving, and has one
assignment after the other. Three words for letting go:

* *revoke*: a worker is asked to finish its shard; it takes nothing more, ends what is in flight and commits;
* *end*: the shard may not act any more, whatever still refers to it;
* *release*: what acquiring opened is closed, and the group may give the partitions to another member.

Reading itself is `turn_reading`; what follows when consumption ends stands in `group_ending`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from aiokafka.errors import KafkaError

from tocsin.kafka.consume import turn_reading
from tocsin.kafka.consume.cluster import Cluster
from tocsin.kafka.consume.group_ending import GroupEnding, lost_with_the_lease
from tocsin.kafka.consume.group_metrics import GroupMetrics
from tocsin.kafka.consume.member import Fetching, Lease, Member, MemberSpec
from tocsin.kafka.consume.ownership import Ownership
from tocsin.kafka.consume.position_copy import PositionCopy
from tocsin.kafka.consume.rejoins import Rejoins
from tocsin.kafka.consume.shard import Assignment, Shard
from tocsin.kafka.consume.turn_reading import TurnReading
from tocsin.kafka.errors import (
    DrainTooSlow,
    KafkaFault,
    NoProgress,
    OwnershipLost,
)
from tocsin.kafka.records import TopicPartition
from tocsin.observability import get_logger
from tocsin.runtime.bounds import LEAVE, GroupTimeouts
from tocsin.runtime.clock import Clock
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.runtime.health import Health
from tocsin.runtime.tasks import end_all, first_of
from tocsin.runtime.waiting import retry_until_available

log = get_logger(__name__)

S = TypeVar("S", bound=Shard)


class ConsumerGroup(Generic[S]):
    """A component, and the `Listener` of its member: joins ``group``, acquires the shards it is given, and runs ``work(shard)`` for each.

    ``work`` is one coroutine per shard and assignment. It takes batches until `Shard.take` returns None, ends what is in
    flight and returns. ``written`` names topics that it writes by partition number or by key: they must exist and have as many
    partitions as those read. ``ownership`` says what makes this process the owner of a shard. ``buffer_records`` and
    ``buffer_bytes`` bound what a shard holds unread; reading for it pauses beyond them. ``rejoins`` is how often within an
    hour a lost ownership is followed by joining anew; ``sleep`` is how the pause before it passes.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        group: str,
        topics: Sequence[str],
        written: Sequence[str] = (),
        ownership: Ownership[S],
        work: Callable[[S], Awaitable[None]],
        timeouts: GroupTimeouts,
        health: Health,
        clock: Clock,
        fetching: Fetching | None = None,
        buffer_records: int = 5_000,
        buffer_bytes: int = 16_777_216,
        rejoins: int = 3,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.name = f"group {group}"
        self._cluster = cluster
        self._group = group
        self._topics = tuple(topics)
        self._written = tuple(written)
        self._ownership = ownership
        self._worker = work
        self._timeouts = timeouts
        self._clock = clock
        self._fetching = fetching or Fetching()
        self._buffer_records = buffer_records
        self._buffer_bytes = buffer_bytes
        self._failpoints = failpoints
        # Rules and dashboards name checks, and hold for every prefix.
        self._check = health.check(f"kafka group {group.removeprefix(cluster.prefix)}")
        self._metrics = GroupMetrics(group=group, topics=topics, prefix=cluster.prefix, clock=clock)
        self._ending = GroupEnding(
            cluster=cluster,
            group=group,
            check=self._check,
            metrics=self._metrics,
            rejoins=Rejoins(rejoins, clock=clock),
            sleep=sleep,
        )
        self._assignments = 0
        self._begin()

    @property
    def held(self) -> dict[int, S]:
        """The shards held now and not being released, by number."""
        return {number: shard for number, shard in self._shards.items() if not shard.revoked.is_set()}

    def handled_until_ms(self) -> dict[TopicPartition, int]:
        """Of each partition held: everything that the broker stored before this moment, and that can be read, is handled. Partitions of
        which nothing is known yet are left out."""
        until: dict[TopicPartition, int] = {}
        for shard in self.held.values():
            for partition in shard.positions:
                ends = self._member and self._member.log_ends(partition)
                if ends:
                    unread = shard.first_unread(partition)
                    moment = shard.lag[partition].handled_until_ms(unread=unread, ends=ends)
                    until |= {} if moment is None else {partition: moment}
        return until

    async def open(self) -> None:
        """Wait for the brokers and the topics, with a visible reason; check the topics' partition counts."""
        counts = await self._cluster.wait_for_topics(self._topics + self._written, check=self._check)
        self._ownership.check(self._group, counts)
        self._check.set_not_ready("not assigned yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``; then drain. What it raises ends the process: see `group_ending`."""
        while not stop.is_set():
            try:
                await self._live(stop)
            except Exception as error:  # noqa: BLE001 - also what a worker raised; its ending is chosen in one place
                await self._ending.follow(error, stop)

    # One membership, from joining to leaving

    def _begin(self) -> None:
        """All state of a membership, so that nothing of the former one lives on in the next. What stays is the ownership
        strategy; it has released what it opened, and its assignor remembers which shards were held, to ask for them again."""
        self._lease = Lease(clock=self._clock, seconds=self._timeouts.lease)
        self._member: Member | None = None
        self._member_id: str | None = None
        self._shards: dict[int, S] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._acquiring: asyncio.Task[None] | None = None
        self._releasing = asyncio.Lock()
        self._failure: BaseException | None = None
        self._leaving = False
        self._over = asyncio.Event()
        """Set by the first failure, when the member is about to leave, and when the run is cancelled."""
        self._reading = TurnReading(
            group=self._group,
            ownership=self._ownership,
            metrics=self._metrics,
            clock=self._clock,
            over=self._over,
        )

    async def _live(self, stop: asyncio.Event) -> None:
        self._begin()
        spec = MemberSpec(
            group=self._group,
            topics=self._topics,
            timeouts=self._timeouts,
            lease=self._lease,
            assignor=self._ownership.assignor,
            fetching=self._fetching,
        )
        self._member = self._cluster.member(spec)
        polling = self._watched(self._join_and_read(self._member), name=f"poll {self._group}")
        watching = self._watched(self._watch(), name=f"watch {self._group}")
        copy = PositionCopy(self._member, lambda: self.held)
        copying = self._watched(copy.run(), name=f"copy {self._group}")
        try:
            await first_of(stop.wait(), self._over.wait())
            self._leaving = True
            if self._failure is None:
                await copy.last()
                await self._last_release()
            self._over.set()
            # It ends by itself at its next turn: a getmany that is cancelled leaves aiokafka in doubt. Only one that waits
            # for a rebalance to end is cancelled, for that may take long.
            await asyncio.wait([polling], timeout=2 * turn_reading.POLL_SECONDS)
        finally:
            self._over.set()
            self._check.set_not_ready("stopped")
            await end_all([polling, watching, copying])
            await self.close()
        if self._failure is not None:
            raise self._failure

    async def _join_and_read(self, member: Member) -> None:
        """A broker that does not answer is waited for, with a visible reason: it may be away when a group is joined anew."""
        await retry_until_available(
            "Kafka", partial(member.join, self), retry_on=(KafkaFault,), check=self._check, describe=str
        )
        await self._reading.run(member)

    # What the member tells its listener: `assigned`, `revoked` and, further below, `failed`

    def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """The broker gave us these partitions, and reading them is paused: acquire them in a task of its own, because
        the group waits for this callback and heartbeats have to go on."""
        if self._leaving or self._over.is_set():
            return
        member = self._joined
        self._member_id = member.member_id
        self._lease.begin(member.generation)
        self._assignments += 1
        self._metrics.assigned()
        self._check.set_not_ready("acquiring its partitions")
        self._acquiring = self._watched(self._acquire(partitions), name=f"acquire {self._group}")

    async def _acquire(self, partitions: frozenset[TopicPartition]) -> None:
        began, member = self._clock.monotonic(), self._joined
        assignment = Assignment(
            number=self._assignments,
            group=self._group,
            prefix=self._cluster.prefix,
            partitions=partitions,
            member=member,
            lease=self._lease,
            clock=self._clock,
            timeouts=self._timeouts,
            buffer_records=self._buffer_records,
            buffer_bytes=self._buffer_bytes,
            room=self._reading.room,
            fail=self.failed,
        )
        beat = asyncio.create_task(member.beat())
        try:
            shards = await self._ownership.acquire(assignment)
            await beat
        finally:
            await end_all([beat])
        if self._over.is_set():
            return  # the membership ended meanwhile, and `close` releases what was acquired
        for shard in shards:
            member.seek({partition: position.offset for partition, position in shard.positions.items()})
        self._shards = {shard.number: shard for shard in shards}
        for shard in shards:
            self._tasks[shard.number] = self._watched(
                self._work(shard), name=f"shard {self._group}.{shard.number}"
            )
        member.resume(partitions)
        self._reading.begin(shards)
        self._check.set_ready()
        self._metrics.acquired(len(shards), self._clock.monotonic() - began)
        log.info(
            "acquired shards",
            group=self._group,
            shards=sorted(self._shards),
            assignment=assignment.number,
            generation=member.generation,
        )

    async def _work(self, shard: S) -> None:
        await self._worker(shard)
        if not shard.revoked.is_set():
            raise RuntimeError(f"The work on shard {shard.number} of {self._group} ended by itself.")

    async def revoked(self) -> None:
        """The group takes everything back, and waits for us to join again once this returns. Whoever leaves does not: the group would
        give it a share in one generation and take it away in the next. `Member.leave` ends the waiting."""
        await self._release()
        if self._leaving:
            await asyncio.get_running_loop().create_future()

    async def _last_release(self) -> None:
        """Release before leaving. A worker that fails meanwhile makes others fail or be late, so the membership ends with
        the first failure and not with what this raises."""
        try:
            await self._release()
        except Exception as error:  # noqa: BLE001 - the membership ends with it
            self.failed(error)

    async def _release(self) -> None:
        """Stop taking, let what is in flight end and commit, drop what is buffered, let the shards go."""
        async with self._releasing:
            if self._failure is not None:
                return  # another release of this membership has failed; `close` does the rest
            if self._acquiring is not None:
                await end_all([self._acquiring])
            # From here to `revoke` is no await: `_watch` must not see shards held in between and say ready again.
            self._check.set_not_ready("rebalancing")
            if self._ownership.exclusive and self._is_expelled():
                self._lease.end()
                raise OwnershipLost(
                    f"The group {self._group} expelled this process: it was silent for too long, or missed a rebalance."
                )
            for shard in self._shards.values():
                shard.revoke()
            if self._shards:
                await self._failpoints.reach("in_revoke")
            await self._drain()
            await self._let_go()

    def _is_expelled(self) -> bool:
        """Whether the group knows this member no more by the id under which it gave out the partitions."""
        return self._member_id is not None and self._member_id != self._joined.member_id

    async def _drain(self) -> None:
        """Wait for the workers, for as long as one provider call may take and a little more."""
        if not self._tasks:
            return
        ended, late = await asyncio.wait(self._tasks.values(), timeout=self._timeouts.drain_timeout)
        if late:
            numbers = ", ".join(str(number) for number, task in sorted(self._tasks.items()) if task in late)
            msg = f"What shards {numbers} of {self._group} held did not end within {self._timeouts.drain_timeout:g} s."
            raise DrainTooSlow(msg)
        for task in ended:
            task.result()
        self._tasks = {}

    async def _let_go(self) -> None:
        for shard in self._shards.values():
            shard.end()
        self._shards, self._member_id = {}, None
        self._reading.end()
        self._lease.end()
        self._metrics.released()
        await self._ownership.release()

    # Watch, fail, close

    async def _watch(self) -> None:
        """Heartbeats go on when the poll loop or a worker hangs, so this task looks at their progress itself."""
        bound = self._timeouts.progress_timeout
        while True:
            await asyncio.sleep(min(1.0, bound / 4))
            self._metrics.show(self._joined, self._shards)
            if self.held:
                if self._lease.ok():
                    self._check.set_ready()
                else:
                    self._check.set_not_ready("the group coordinator does not answer heartbeats")
            now = self._clock.monotonic()
            if self._shards and now - self._reading.turned > bound:
                raise NoProgress(f"The poll loop of {self._group} has not turned for {bound:g} s.")
            for shard in self._shards.values():
                if shard.idle_since is not None and now - shard.idle_since > bound:
                    raise NoProgress(f"Shard {shard.number} of {self._group} stood still for {bound:g} s.")

    def failed(self, error: BaseException) -> None:
        """The first failure is how this membership ends; no shard takes, sends or commits after it."""
        if self._over.is_set():
            return
        self._failure = lost_with_the_lease(error) if self._lease.ran_out else error
        self._lease.end()
        for shard in self._shards.values():
            shard.end()
        self._over.set()

    def _watched(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """A task whose failure ends the membership."""

        def note(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.failed(error)

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(note)
        return task

    async def close(self) -> None:
        """Nothing outlives its owner: end the workers, drop what is held without committing it, leave the group. Every
        membership ends with it; called once more, it closes what a cancelled `run` had no time to close."""
        if self._acquiring is not None:
            await end_all([self._acquiring])
        for shard in self._shards.values():
            shard.end()
        tasks, self._tasks = self._tasks, {}
        await end_all(tasks.values(), seconds=LEAVE)
        try:
            await asyncio.wait_for(self._let_go(), LEAVE)
        except (KafkaError, TimeoutError) as error:
            # What is still open there is ended by the next owner. Why this membership is over is said elsewhere.
            log.warning("closed without an answer", group=self._group, reason=repr(error))
        member, self._member = self._member, None
        if member is not None:
            await member.leave()
        if stuck := sorted(number for number, task in tasks.items() if not task.done()):
            raise RuntimeError(
                f"The work on shards {stuck} of {self._group} goes on although it was cancelled."
            )

    @property
    def _joined(self) -> Member:
        if self._member is None:
            raise RuntimeError(f"This process is no member of group {self._group}.")
        return self._member
