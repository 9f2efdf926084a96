"""A compacted topic, kept in memory: read to its end, then followed."""

import asyncio
from collections.abc import Callable, Sequence

from tocsin.kafka.records import Record
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.health import Health


class Replica:
    """A component: calls ``apply(record)`` for every committed record of ``topic``, oldest first, for ever.

    ``caught_up`` is set, and the health check turns ready, once the end as it was at the start is passed.
    `open` returns only then. A record without value is a tombstone. What ``apply`` raises ends the process.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        topic: str,
        apply: Callable[[Record], None],
        health: Health,
        partitions: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or f"replica {topic}"
        self.caught_up = asyncio.Event()
        raise NotImplementedError

    async def open(self) -> None:
        """Read the topic to its end; waits for brokers and topic with a visible reason."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until ``stop``."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError
