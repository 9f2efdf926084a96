"""Where the messages of test keys end: a provider that sends nothing, with addresses that misbehave on demand.

Each channel's line in `tocsin.contracts.channels` lists its special addresses, such as `bounce@sandbox.tocsin.test` or
`+15005550001`; `SandboxBehaviour` says what each does. Every other address is taken at once. A mail address may carry a tag
(`bounce+any@…`) and a device token a suffix (`sandbox-delay-7`), so that many recipients can have the same behaviour.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.channels import CHANNELS, SandboxBehaviour
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Reason

DELAY_SECONDS = 2.0


class Sandbox:
    """The provider of jobs with `test`. A second send has the same message id as the first, and sends as little."""

    name = "sandbox"

    def __init__(
        self, *, channel: Channel, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        spec = CHANNELS[channel]
        self._kind_of_address = spec.address
        self._behaviours = {address: behaviour for behaviour, address in spec.sandbox.items()}
        self._sleep = sleep

    def behaviour(self, address: str) -> SandboxBehaviour | None:
        """What an address asks for; None: an ordinary address, whose messages are taken."""
        return self._behaviours.get(self._kind_of_address.untagged(address))

    async def open(self) -> None:
        """Nothing to prepare."""

    async def send(self, job: Job) -> Answer:
        """What the job's address asks for."""
        match self.behaviour(job.private.address):
            case SandboxBehaviour.BOUNCE:
                detail = "The sandbox bounces this recipient."
                return Rejected(reason=self._kind_of_address.refused, code="sandbox_bounce", detail=detail)
            case SandboxBehaviour.GONE:
                detail = "The sandbox's recipient is gone."
                return Rejected(reason=self._kind_of_address.gone, code="sandbox_gone", detail=detail)
            case SandboxBehaviour.FAIL:
                detail = "The sandbox fails for this recipient."
                return NotSent(reason=Reason.PROVIDER_ERROR, code="sandbox_fail", detail=detail)
            case SandboxBehaviour.THROTTLE:
                return Throttled(code="sandbox_throttle", detail="The sandbox asks for patience.")
            case SandboxBehaviour.SILENT:
                return Ambiguous(
                    code="sandbox_silent", detail="The sandbox does not answer for this recipient."
                )
            case SandboxBehaviour.DELAY:
                await self._sleep(DELAY_SECONDS)
        return Accepted(message_id=f"sandbox-{job.delivery_id}", code="sandbox")

    async def close(self) -> None:
        """Nothing to end."""
