"""What a provider is to the delivery loop."""

from typing import Literal, Protocol

from tocsin.channel.answers import Answer
from tocsin.contracts.jobs import Job


class Provider(Protocol):
    """One configured account at one provider. `send` never raises for what the provider does: it answers.

    `idempotency` says what a second send under the same key does: `native`, the provider drops it within its
    window; `collapse`, the recipient's device replaces the first; `none`, it arrives twice.
    """

    name: str
    """The instance's name, unique in its dispatcher: a metric label and a status field."""
    kind: str
    idempotency: Literal["native", "collapse", "none"]

    async def open(self) -> None:
        """Prepare; need not connect."""

    async def send(self, job: Job) -> Answer:
        """Hand one job over, within the provider's own call timeout."""
        ...

    async def close(self) -> None:
        """End connections; sends in flight have ended before."""
