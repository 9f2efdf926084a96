"""A member of a consumer group: joining, being told, and leaving."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor

from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.fetching import AT_ONCE, Fetching
from tocsin.kafka.lease import Lease
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.seams import Membership, stop_consumer
from tocsin.kafka.settings import KafkaSettings
from tocsin.observability import get_logger
from tocsin.runtime.bounds import LEAVE, GroupTimeouts

log = get_logger(__name__)

# aiokafka's own watchdog would expel a member whose window is full while a provider is away.
NEVER_MS = 2**31 - 1
# aiokafka's own: what one answer may hold of one partition.
FETCH_BYTES = 1_048_576


class GroupMember:
    """Dynamic membership; ``assignor`` (an object or a class) says who gets what. ``assigned(partitions)`` is called
    with all of them paused already, ``revoked()`` is awaited before the group goes on without us; when either
    raises, ``failed`` is told and this process takes no further part."""

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        timeouts: GroupTimeouts,
        lease: Lease,
        assignor: AbstractPartitionAssignor | type[AbstractPartitionAssignor],
        assigned: Callable[[frozenset[TopicPartition]], None],
        revoked: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
        partition_bytes: int = FETCH_BYTES,
        fetching: Fetching = AT_ONCE,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = list(topics)
        self._timeouts = timeouts
        self._lease = lease
        self._assignor = assignor
        self._partition_bytes = partition_bytes
        self._fetching = fetching
        self._listener = _Listener(self, assigned, revoked, failed)
        self._consumer: AIOKafkaConsumer | None = None
        self._membership: Membership | None = None
        self._name: str | None = None

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer, from `join` to `leave`."""
        if self._consumer is None:
            raise RuntimeError(f"The member of group {self._group} has not joined")
        return self._consumer

    async def join(self) -> None:
        """Begin membership; assignments come by themselves."""
        timeouts = self._timeouts
        consumer = AIOKafkaConsumer(
            **self._settings.client_options(),
            group_id=self._group,
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=round(timeouts.session_timeout * 1000),
            heartbeat_interval_ms=round(timeouts.heartbeat_interval * 1000),
            rebalance_timeout_ms=round(timeouts.rebalance_timeout * 1000),
            request_timeout_ms=round((timeouts.rebalance_timeout + 15) * 1000),
            max_poll_interval_ms=NEVER_MS,
            max_partition_fetch_bytes=self._partition_bytes,
            fetch_min_bytes=min(self._fetching.least_bytes, self._partition_bytes),
            fetch_max_wait_ms=round(self._fetching.wait * 1000),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        self._consumer = consumer
        await consumer.start()
        membership = self._membership = Membership(consumer)
        membership.watch_heartbeats(lambda send: self._lease.beat(send, lambda: membership.generation))
        consumer.subscribe(self._topics, listener=self._listener)

    async def leave(self) -> None:
        """Leave the group and disconnect, within a bound."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if not await stop_consumer(consumer, seconds=LEAVE):
            log.warning("left the group without an answer", group=self._group)

    def begin_assignment(self) -> None:
        """A new assignment: the lease begins anew. OwnershipLost when the group knows us under another name,
        for then others had our slots in between."""
        name = self._known.member_id
        if self._name is not None and self._name != name:
            raise OwnershipLost(f"The group {self._group} knows this process under another name now.")
        self._name = name
        self.begin_lease()

    def begin_lease(self) -> None:
        """A new assignment for a member that may have been away: what it owns is guarded elsewhere."""
        self._lease.begin(self._known.generation)

    def check_not_expelled(self) -> None:
        """OwnershipLost, and no lease, when the group no longer knows us."""
        if self._name is not None and self._known.member_id != self._name:
            self._lease.end()
            raise OwnershipLost(f"The group {self._group} expelled this process: it was silent for too long.")

    async def beat(self) -> None:
        """One heartbeat now, so that there is a lease before the first record."""
        await self._known.beat()

    @property
    def _known(self) -> Membership:
        if self._membership is None:
            raise RuntimeError(f"The member of group {self._group} has not joined")
        return self._membership


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka makes an assignment active before it calls this, logs and drops what a callback raises, and would
    go on to join again. So a callback that failed never returns: `GroupMember.leave` ends the coordination
    while it waits."""

    def __init__(
        self,
        member: GroupMember,
        assigned: Callable[[frozenset[TopicPartition]], None],
        revoked: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._member = member
        self._assigned = assigned
        self._revoked = revoked
        self._failed = failed

    async def on_partitions_assigned(self, assigned: set[AioTopicPartition]) -> None:
        self._member.consumer.pause(*assigned)  # first of all, before any await: nothing is read yet
        try:
            self._assigned(frozenset(TopicPartition(*partition) for partition in assigned))
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._fail(exc)

    async def on_partitions_revoked(self, revoked: set[AioTopicPartition]) -> None:  # noqa: ARG002 - it is always all
        try:
            await self._revoked()
        except Exception as exc:  # noqa: BLE001 - aiokafka would drop it
            await self._fail(exc)

    async def _fail(self, exc: Exception) -> None:
        self._failed(exc)
        await asyncio.get_running_loop().create_future()
