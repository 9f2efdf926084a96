"""One job on its way to its provider."""

from dataclasses import dataclass, field
from typing import Protocol

from tocsin.channel.provider import Provider
from tocsin.channel.retry_policy import Try
from tocsin.contracts.jobs import Job
from tocsin.kafka import ConsumerRecord


class Carrier(Protocol):
    """Whose deliveries these are: a shard, as the providers' queues and runners know it."""

    def route(self, delivery: "Delivery") -> None:
        """Choose a provider and put the delivery into its queue."""
        ...

    async def carry(self, delivery: "Delivery", provider: Provider) -> None:
        """What a runner does with a delivery: one attempt, and what follows from it. Raises nothing but cancellation."""
        ...


@dataclass(slots=True, eq=False)
class Delivery:
    """A job that was read and has no outcome yet. It waits in one queue or is in one runner's hands, never both."""

    shard: Carrier
    record: ConsumerRecord
    job: Job
    key: bytes
    """The recipient's: their deliveries go one after the other."""
    taken_at: float
    """When it was read. All times are monotonic seconds."""
    routed_at: float = 0.0
    """When it came into its provider's queue, the last time."""
    begun_at: float = 0.0
    """When a runner first had it."""
    holds_place: bool = False
    """Whether it counts as begun in its lane: from its first runner until its outcome is recorded."""
    tries: list[Try] = field(default_factory=list)
