"""A member of a consumer group, in our words: joining, being told, reading, committing, leaving."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka.client.aiokafka_internals import (
    committed_with_metadata,
    position_now,
    raise_errors,
    stop_consumer,
)
from tocsin.kafka.client.commits import CommittedOffset, KeptRange
from tocsin.kafka.client.connecting import start_client
from tocsin.kafka.client.group_standing import GroupStanding
from tocsin.kafka.client.offsets import kept_ranges
from tocsin.kafka.errors import KafkaFault, OwnershipLost
from tocsin.kafka.lag import LogEnds
from tocsin.kafka.records import ConsumerRecord, TopicPartition, from_consumer
from tocsin.kafka.settings import KafkaSettings
from tocsin.observability import get_logger
from tocsin.runtime.bounds import COMMIT, LEAVE, GroupTimeouts
from tocsin.runtime.clock import Clock

log = get_logger(__name__)

# aiokafka's own watchdog would expel a member whose window is full while a provider is away.
NEVER_MS = 2**31 - 1

Assignor: TypeAlias = AbstractPartitionAssignor | type[AbstractPartitionAssignor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetching:
    """When the broker answers a fetch: once it has ``least_bytes`` (fetch.min.bytes), and after ``wait`` seconds at the
    latest (fetch.max.wait.ms). An answer holds at most ``partition_bytes`` of one partition (max.partition.fetch.bytes).

    ``least_bytes`` is cut to ``partition_bytes``: one busy partition alone could otherwise never fill an answer.
    """

    least_bytes: int = 1
    wait: float = 0.5
    partition_bytes: int = 1_048_576


class Lease:
    """How long this process may still call providers: now - the sending of the last good heartbeat of this generation < ``seconds``.

    The sending counts, not the answer: the broker's own clock starts no earlier. Before the first good heartbeat of a
    generation there is no lease. The clock runs on while a process is frozen.
    """

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._generation: int | None = None
        self._sent: float | None = None
        self._ran_out = False

    def begin(self, generation: int) -> None:
        """An assignment of this generation is active; heartbeats of former ones count no more."""
        self._generation = generation
        self._sent = None
        self._ran_out = False

    def end(self) -> None:
        """The assignment is over, or this member was expelled."""
        self._ran_out = self.ran_out
        self._generation = None
        self._sent = None

    async def beat(self, send: Callable[[], Awaitable[bool]], generation: Callable[[], int]) -> bool:
        """Send a heartbeat and note it when it is good: no error or REBALANCE_IN_PROGRESS, in this generation."""
        sent, before = self._clock.monotonic(), generation()
        good = await send()
        if good and before == self._generation == generation():
            self._sent = sent
        return good

    @property
    def age(self) -> float | None:
        """Seconds since the last good heartbeat was sent; None before the first."""
        return None if self._sent is None else self._clock.monotonic() - self._sent

    def ok(self) -> bool:
        """Whether this process may still act."""
        age = self.age
        return age is not None and age < self._seconds

    @property
    def ran_out(self) -> bool:
        """Whether it ran out during this assignment, as it does while a process is frozen; stays so after `end`."""
        age = self.age
        return self._ran_out or (age is not None and age >= self._seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberSpec:
    """What a member joins a group with. Its good heartbeats renew ``lease``; ``assignor`` (an object or a class) says who
    gets what when this member is the leader."""

    group: str
    topics: Sequence[str]
    timeouts: GroupTimeouts
    lease: Lease
    assignor: Assignor
    fetching: Fetching


class NoCommittedOffset(KafkaFault):
    """The group has never committed an offset for these partitions."""

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        super().__init__(f"no committed offset for {sorted(partitions)}")
        self.partitions = partitions


class OffsetNotKept(KafkaFault):
    """The offsets asked for lie outside of what the topic still holds."""

    def __init__(self, offsets: Mapping[TopicPartition, int]) -> None:
        super().__init__(f"not kept: {dict(offsets)}")
        self.offsets = offsets


class Listener(Protocol):
    """Who is told of assignments."""

    def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """All partitions this member has now; reading them is paused."""

    async def revoked(self) -> None:
        """They are taken away; the group goes on once this returns."""

    def failed(self, error: Exception) -> None:
        """One of the two raised ``error``: this member takes no further part in the group."""


class Member(Protocol):
    """What `ConsumerGroup` needs of a member. `GroupMember` is one on a real broker, `tocsin.testing` has one in memory."""

    @property
    def member_id(self) -> str:
        """The group's name for this member, once it has joined; another one after it was expelled, or none."""
        ...

    @property
    def generation(self) -> int:
        """The generation of the group this member joined; negative once it was expelled."""
        ...

    async def join(self, listener: Listener) -> None:
        """Begin membership; assignments come by themselves. KafkaFault when no broker answers: it may be called again."""

    async def leave(self) -> None:
        """Leave the group and disconnect, within a bound."""

    async def poll(
        self, partitions: Sequence[TopicPartition], *, max_records: int, seconds: float
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Committed records of these partitions, in offset order; waits ``seconds`` for the first. NoCommittedOffset and
        OffsetNotKept when there is nowhere to read from. Whatever a background task of the group met is raised here."""
        ...

    def raise_errors(self) -> None:
        """Raise what a background task of the group met, without reading."""

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets."""

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """End the pause in which an assignment begins."""

    async def committed(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, CommittedOffset]:
        """What the group has committed; partitions without an offset are left out."""
        ...

    async def kept(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, KeptRange]:
        """What the logs of these partitions keep now."""
        ...

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> bool:
        """Commit in this generation of the group; OwnershipLost when the group refuses. False when it does not answer within
        ``COMMIT``: nobody knows then what it has, and committing again is right."""
        ...

    async def beat(self) -> None:
        """Send one heartbeat now, so that there is a lease before the first record."""

    def log_ends(self, partition: TopicPartition) -> LogEnds | None:
        """As far as is known from what was read; None before that."""
        ...


class GroupMember:
    """A member on a real broker, with dynamic membership."""

    def __init__(self, spec: MemberSpec, *, settings: KafkaSettings) -> None:
        self._spec = spec
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._membership: GroupStanding | None = None

    async def join(self, listener: Listener) -> None:
        spec = self._spec
        timeouts, fetching = spec.timeouts, spec.fetching
        consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            group_id=spec.group,
            partition_assignment_strategy=(spec.assignor,),
            session_timeout_ms=round(timeouts.session_timeout * 1000),
            heartbeat_interval_ms=round(timeouts.heartbeat_interval * 1000),
            rebalance_timeout_ms=round(timeouts.rebalance_timeout * 1000),
            # The broker answers a JoinGroup only when all members have joined, or after the rebalance timeout.
            request_timeout_ms=round((timeouts.rebalance_timeout + 15) * 1000),
            max_poll_interval_ms=NEVER_MS,
            max_partition_fetch_bytes=fetching.partition_bytes,
            fetch_min_bytes=min(fetching.least_bytes, fetching.partition_bytes),
            fetch_max_wait_ms=round(fetching.wait * 1000),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        self._consumer = consumer
        await start_client(consumer)
        membership = self._membership = GroupStanding(consumer)
        membership.watch_heartbeats(lambda send: spec.lease.beat(send, lambda: membership.generation))
        consumer.subscribe(list(spec.topics), listener=_RebalanceListener(consumer, listener))

    async def leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            if not await stop_consumer(consumer, seconds=LEAVE):
                log.warning("left the group without an answer", group=self._spec.group)
        except KafkaError as error:
            log.warning("left the group with an error", group=self._spec.group, reason=repr(error))

    @property
    def member_id(self) -> str:
        return self._joined[1].member_id

    @property
    def generation(self) -> int:
        return self._joined[1].generation

    async def poll(
        self, partitions: Sequence[TopicPartition], *, max_records: int, seconds: float
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        consumer, _ = self._joined
        try:
            fetched = await consumer.getmany(
                *_to_aiokafka(partitions), timeout_ms=round(seconds * 1000), max_records=max_records
            )
        except NoOffsetForPartitionError as exc:
            raise NoCommittedOffset([TopicPartition(*exc.args[0])]) from exc
        except OffsetOutOfRangeError as exc:
            offsets = {TopicPartition(*partition): offset for partition, offset in exc.args[0].items()}
            raise OffsetNotKept(offsets) from exc
        # Nothing is awaited between aiokafka's own look at the assignment and the end of this function.
        return {
            TopicPartition(*partition): [from_consumer(record) for record in records]
            for partition, records in fetched.items()
        }

    def raise_errors(self) -> None:
        raise_errors(self._joined[0])

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        for partition, offset in positions.items():
            self._joined[0].seek(AioTopicPartition(*partition), offset)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self._joined[0].resume(*_to_aiokafka(partitions))

    async def committed(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, CommittedOffset]:
        offsets = await committed_with_metadata(self._joined[0], partitions)
        return {partition: CommittedOffset(*position) for partition, position in offsets.items()}

    async def kept(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, KeptRange]:
        return await kept_ranges(self._joined[0], partitions)

    async def commit(self, positions: Mapping[TopicPartition, CommittedOffset]) -> bool:
        try:
            async with asyncio.timeout(COMMIT):
                await self._joined[1].commit(positions)  # repeats by itself what may be repeated
        except TimeoutError:
            return False
        except KafkaError as exc:
            raise OwnershipLost(
                f"The group {self._spec.group} refused a commit of offsets: {exc!r}."
            ) from exc
        return True

    async def beat(self) -> None:
        await self._joined[1].beat()

    def log_ends(self, partition: TopicPartition) -> LogEnds | None:
        consumer, _ = self._joined
        place = AioTopicPartition(*partition)
        if place not in consumer.assignment():
            return None
        end, stable = consumer.highwater(place), consumer.last_stable_offset(place)
        return (
            None if end is None or stable is None else LogEnds(position_now(consumer, partition), stable, end)
        )

    @property
    def _joined(self) -> tuple[AIOKafkaConsumer, GroupStanding]:
        if self._consumer is None or self._membership is None:
            raise RuntimeError(f"This process is no member of group {self._spec.group}")
        return self._consumer, self._membership


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka makes an assignment active before it calls this, logs and drops what a callback raises, and would
    go on to join again. So a callback that failed never returns: `GroupMember.leave` ends the coordination
    while it waits."""

    def __init__(self, consumer: AIOKafkaConsumer, listener: Listener) -> None:
        self._consumer = consumer
        self._listener = listener

    async def on_partitions_assigned(self, assigned: set[AioTopicPartition]) -> None:
        self._consumer.pause(*assigned)  # first of all, before any await: nothing is read yet
        try:
            self._listener.assigned(frozenset(TopicPartition(*partition) for partition in assigned))
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._never_return(exc)

    async def on_partitions_revoked(self, revoked: set[AioTopicPartition]) -> None:  # noqa: ARG002 - it is always all
        try:
            await self._listener.revoked()
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._never_return(exc)

    async def _never_return(self, exc: Exception) -> None:
        self._listener.failed(exc)
        await asyncio.get_running_loop().create_future()


def _to_aiokafka(partitions: Collection[TopicPartition]) -> list[AioTopicPartition]:
    return [AioTopicPartition(*partition) for partition in partitions]
