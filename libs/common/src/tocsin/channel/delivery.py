"""One job on its way to its provider."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.channel.answers import Ambiguous, NotSent, Rejected
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.deferral import Defer
from tocsin.channel.delivery_trace import DeliveryTrace
from tocsin.channel.preparation import Prepared
from tocsin.channel.provider import Provider
from tocsin.channel.retry_policy import Try, uncertain_provider
from tocsin.contracts.intents import RetryMemory
from tocsin.contracts.jobs import Job
from tocsin.kafka import ConsumerRecord
from tocsin.runtime import Clock


class Carrier(Protocol):
    """Whose deliveries these are: a ShardDelivery, as the providers' queues and runners know it."""

    def enqueue(self, delivery: "Delivery") -> None:
        """Choose a provider and put the delivery into its queue. Raises nothing."""
        ...

    @property
    def wants_room(self) -> bool:
        """Whether it reads nothing more because what it holds fills its window."""
        ...

    def set_aside(self, delivery: "Delivery", seconds: float) -> None:
        """Put the delivery, which is in no queue, off by so many seconds. Raises nothing."""
        ...

    async def carry(self, delivery: "Delivery", provider: Provider, deadline: CallDeadline) -> None:
        """What a runner does with a delivery: one attempt, and what follows from it. Raises nothing but cancellation. `deadline` is the
        runner's."""
        ...


@dataclass(slots=True, eq=False)
class Delivery:
    """A job that was read and has no outcome yet. It waits in one place (behind its recipient's, in a provider's
    queue, for its retry, for its transaction or for young copies) or is in one runner's hands, never both."""

    carrier: Carrier
    record: ConsumerRecord
    job: Job
    key: bytes
    """The recipient's."""
    taken_at: float
    """When it was read. All times are monotonic seconds."""
    enqueued_at: float = 0.0
    """When it came into its provider's queue, the last time."""
    begun_at: float = 0.0
    """When a runner first had it, or when it ended because no provider is there for it."""
    line: str | None = None
    """The line that it waits in: where its provider's call goes, if the provider has many far ends; its sender, if each has a rate of its
    own. What is said of far ends' lines holds for senders', too."""
    turn: bytes | None = None
    """Those with the same turn go one after the other, in the order in which they were read; None: it waits for none."""
    announced: bool = False
    """Whether the intent to send it stands on `status`; only of `at_most_once`."""
    attempt: int = 1
    """Which attempt this is, those of earlier records counted."""
    trace: DeliveryTrace | None = None
    """Its spans, from when it is begun, if its trace is recorded."""
    tries: list[Try] = field(default_factory=list)
    """The calls in order. It begins with that of an earlier record which left open whether it has sent the message."""

    prepared: Prepared | None = None
    """What the message needed and has got; only of those that need something."""
    unfit: NotSent | Rejected | Defer | None = None
    """Why it has not got what it needs: it ends so, or is tried again, once it is its turn."""
    preparing_took: float = 0.0
    """Seconds until that was known."""

    def __post_init__(self) -> None:
        memory = self.job.retry
        if memory is not None:
            self.attempt = memory.attempt + 1
            if memory.uncertain is not None:
                self.tries.append(Try(memory.uncertain, Ambiguous(), attempt=memory.attempt))

    @property
    def calls(self) -> list[Try]:
        """Those that were made for this record."""
        memory = self.job.retry
        return (
            self.tries if memory is None else [call for call in self.tries if call.attempt > memory.attempt]
        )

    def first_at(self, clock: Clock) -> datetime:
        """When the first attempt was made."""
        if self.job.retry is not None:
            return self.job.retry.first_at
        return clock.now() - timedelta(seconds=clock.monotonic() - self.begun_at)

    def memory(self, clock: Clock) -> RetryMemory | None:
        """What the next record has to know; None where no attempt was made."""
        if not self.calls:
            return self.job.retry
        return RetryMemory(
            attempt=self.tries[-1].attempt,
            first_at=self.first_at(clock),
            uncertain=uncertain_provider(self.tries),
        )
