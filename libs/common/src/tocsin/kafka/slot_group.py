"""Membership of a consumer group by slots: fencing, draining and the lease."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.offsets import Position
from tocsin.kafka.records import Outgoing, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Slot
from tocsin.kafka.timings import GroupTimings
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health


class SlotGroup:
    """A component: joins ``group``, takes the slots it is given, and runs ``work(slot)`` for each.

    ``work`` is one coroutine per slot and assignment. It takes batches until `Slot.take` returns None, ends
    what is in flight and returns; whatever it raises ends the process. All topics have the same number of
    partitions. ``gather`` is the least time in seconds from the start of one transaction of a slot to the
    start of the next (0 when idle: the first never waits). ``buffer_bytes`` bounds what a slot holds unread.
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
        raise NotImplementedError

    async def open(self) -> None:
        """Wait for the brokers and the topics (with a visible reason), check partition counts."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member until ``stop``; then drain. Raises OwnershipLost, TopicFault, or what ``work`` raised."""
        raise NotImplementedError

    async def close(self) -> None:
        """Leave the group and disconnect."""
        raise NotImplementedError

    @property
    def held(self) -> dict[int, Slot]:
        """The slots held now, by number."""
        raise NotImplementedError

    def lease_ok(self) -> bool:
        """Whether this member may act at all; see `Slot.lease_ok`."""
        raise NotImplementedError

    async def transaction(
        self,
        slot: int,
        outgoing: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, Position] | None = None,
    ) -> None:
        """`Slot.transaction` of a slot held now; OwnershipLost when it is not held."""
        raise NotImplementedError
