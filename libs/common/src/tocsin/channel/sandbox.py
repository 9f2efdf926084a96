"""Where the messages of test keys end: a provider that sends nothing, with recipients that misbehave on demand.

| what happens | email | SMS | push |
|---|---|---|---|
| bounces: refused for good | `bounce@sandbox.tocsin.test` | `+15005550001` | `sandbox-invalid` |
| gone: unsubscribed, unregistered | `gone@sandbox.tocsin.test` | `+15005550004` | `sandbox-unregistered` |
| fails, however often it is tried | `fail@sandbox.tocsin.test` | `+15005550002` | `sandbox-unavailable` |
| asks for patience, however often | `throttle@sandbox.tocsin.test` | `+15005550007` | `sandbox-throttled` |
| never says whether it was sent | `silent@sandbox.tocsin.test` | `+15005550008` | `sandbox-silent` |
| is taken after two seconds | `delay@sandbox.tocsin.test` | `+15005550009` | `sandbox-delay` |

Every other address is taken at once. A mail address may carry a tag (`bounce+any@…`), a device token a suffix
(`sandbox-delay-7`), so that one behaviour can have many recipients.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Literal

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Reason

DOMAIN = "sandbox.tocsin.test"
DELAY_SECONDS = 2.0


class Magic(Enum):
    """What a magic recipient does."""

    BOUNCE = "bounce"
    GONE = "gone"
    FAIL = "fail"
    THROTTLE = "throttle"
    SILENT = "silent"
    DELAY = "delay"


_PHONES = {
    "+15005550001": Magic.BOUNCE,
    "+15005550002": Magic.FAIL,
    "+15005550004": Magic.GONE,
    "+15005550007": Magic.THROTTLE,
    "+15005550008": Magic.SILENT,
    "+15005550009": Magic.DELAY,
}
_TOKENS = {
    "sandbox-invalid": Magic.BOUNCE,
    "sandbox-unregistered": Magic.GONE,
    "sandbox-unavailable": Magic.FAIL,
    "sandbox-throttled": Magic.THROTTLE,
    "sandbox-silent": Magic.SILENT,
    "sandbox-delay": Magic.DELAY,
}
_MAILS = {magic.value: magic for magic in Magic}


def magic_of(channel: Channel, address: str) -> Magic | None:
    """The behaviour that an address asks for; None: an ordinary recipient."""
    match channel:
        case Channel.EMAIL:
            local, _, domain = address.lower().rpartition("@")
            return _MAILS.get(local.partition("+")[0]) if domain == DOMAIN else None
        case Channel.SMS:
            return _PHONES.get(address)
        case Channel.PUSH:
            return next(
                (magic for token, magic in _TOKENS.items() if f"{address}-".startswith(f"{token}-")), None
            )


class Sandbox:
    """The provider of jobs with `test`. A second send has the same message id as the first, and sends as little."""

    name = "sandbox"
    kind = "sandbox"
    idempotency: Literal["native", "collapse", "none"] = "native"

    def __init__(
        self, *, channel: Channel, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._channel = channel
        self._sleep = sleep

    async def open(self) -> None:
        """Nothing to prepare."""

    async def send(self, job: Job) -> Answer:
        """What the recipient stands for."""
        match magic_of(self._channel, job.address):
            case Magic.BOUNCE:
                return Rejected(
                    reason=Reason.ADDRESS_INVALID
                    if self._channel is Channel.PUSH
                    else Reason.RECIPIENT_REFUSED,
                    code="sandbox_bounce",
                    detail="The sandbox bounces this recipient.",
                )
            case Magic.GONE:
                return Rejected(
                    reason=Reason.DEVICE_GONE if self._channel is Channel.PUSH else Reason.RECIPIENT_REFUSED,
                    code="sandbox_gone",
                    detail="The sandbox's recipient is gone.",
                )
            case Magic.FAIL:
                detail = "The sandbox fails for this recipient."
                return NotSent(reason=Reason.PROVIDER_ERROR, code="sandbox_fail", detail=detail)
            case Magic.THROTTLE:
                return Throttled(code="sandbox_throttle", detail="The sandbox asks for patience.")
            case Magic.SILENT:
                return Ambiguous(
                    code="sandbox_silent", detail="The sandbox does not answer for this recipient."
                )
            case Magic.DELAY:
                await self._sleep(DELAY_SECONDS)
        return Accepted(message_id=f"sandbox-{job.delivery_id}", code="sandbox")

    async def close(self) -> None:
        """Nothing to end."""
