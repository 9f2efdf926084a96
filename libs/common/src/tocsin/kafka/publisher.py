"""The plain idempotent producer: durable when it answers, refusing before it forgets."""

import asyncio
from collections.abc import Mapping, Sequence

from tocsin.kafka.records import Outgoing, Stored
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.health import Health


class Publisher:
    """A component: acks from all in-sync replicas, each record once per call, a deadline on every call.

    At most ``max_bytes`` are held; ``limits`` says what a topic takes (1 MiB where it is not named).
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        health: Health,
        name: str = "publisher",
        max_bytes: int = 67_108_864,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        raise NotImplementedError

    async def open(self) -> None:
        """Wait for the brokers, with a visible reason."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Watch the producer until ``stop``; ProducerBroken when it can no longer keep its promise."""
        raise NotImplementedError

    async def close(self) -> None:
        """Deliver what was taken, within a bound, and disconnect."""
        raise NotImplementedError

    async def publish(self, records: Sequence[Outgoing], *, timeout: float) -> list[Stored]:  # noqa: ASYNC109 - the deadline is part of the promise: NotStored, not TimeoutError
        """Store all records; returns once every one is acknowledged, in the order given.

        Overloaded and RecordTooLarge are raised before anything is sent. NotStored after ``timeout``
        seconds, or when the broker refuses: each record may or may not be stored, now or later.
        Records of one call to one partition are stored in the order given.
        """
        raise NotImplementedError
