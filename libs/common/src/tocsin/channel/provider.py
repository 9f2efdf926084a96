"""What a provider is to a dispatcher."""

from typing import Protocol

from tocsin.channel.answers import Answer
from tocsin.contracts.jobs import Job


class Provider(Protocol):
    """One configured account at one provider. `send` never raises for what the provider does: it answers.

    One whose calls go to many places, of which each can be dead alone, also has `far_end` (see `FarEnds`). One whose messages carry what
    their receipts need has `seal_ref` (see `ref`).
    """

    name: str
    """The instance's name, unique in its dispatcher: a metric label and a status field."""

    async def open(self) -> None:
        """Prepare; need not connect."""

    async def send(self, job: Job) -> Answer:
        """Hand one job over, within the provider's own call timeout.

        A call that is cancelled must end with CancelledError, never with an answer: only so does the dispatcher know
        whether the call ended by itself.
        """
        ...

    async def close(self) -> None:
        """Finish connections; sends in flight have ended before."""
