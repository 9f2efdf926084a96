"""Read, decide, write: each record takes effect exactly once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.records import Outgoing
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Batch
from tocsin.kafka.timings import GroupTimings
from tocsin.runtime.clock import Clock
from tocsin.runtime.health import Health


class ExactlyOnce:
    """A component: ``process(batch)`` returns the records to write; they and the batch's offsets commit together.

    Batches of one slot are processed one after the other, in order; a batch may be processed while the one
    before it commits. What ``process`` raises ends the process, and the offsets stay where they were. Every
    record it returns must fit its topic (``limits``: topic to bytes; 1 MiB where a topic is not named).
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        slots: int,
        timings: GroupTimings,
        process: Callable[[Batch], Awaitable[Sequence[Outgoing]]],
        health: Health,
        clock: Clock,
        limits: Mapping[str, int] | None = None,
        gather: float = 0.02,
        max_records: int = 500,
        max_bytes: int = 4_194_304,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.name = f"group {group}"
        raise NotImplementedError

    async def open(self) -> None:
        """As `SlotGroup.open`."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """As `SlotGroup.run`."""
        raise NotImplementedError

    async def close(self) -> None:
        """As `SlotGroup.close`."""
        raise NotImplementedError
