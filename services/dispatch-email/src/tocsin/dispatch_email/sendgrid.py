"""Provider kind `sendgrid`: the v3 Mail Send API (https://www.twilio.com/docs/sendgrid/api-reference/mail-send)."""

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected, SecretFile, SenderConfig
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.jobs import Job
from tocsin.dispatch_email.composing import composed
from tocsin.dispatch_email.sendgrid_body import mail_send_body
from tocsin.runtime import Clock

if TYPE_CHECKING:
    from tocsin.dispatch_email.sendgrid_calls import SendGridCalls

_ONE_WORD = re.compile(r"[!-~]+")


def _is_api_key(secret: SecretStr) -> SecretStr:
    if not _ONE_WORD.fullmatch(secret.get_secret_value()):
        raise ValueError("the file holds no API key: one is a single word that begins with SG.")
    return secret


class SendGridConfig(SenderConfig):
    """`[[providers]]` with `kind = "sendgrid"`."""

    kind: Literal["sendgrid"]
    api_key_file: Annotated[SecretFile, AfterValidator(_is_api_key)]
    """An API key that may send mail (scope `mail.send`)."""
    base_url: str = Field(default="https://api.sendgrid.com", pattern=r"^https?://\S*[^\s/]$")
    """`https://api.eu.sendgrid.com` for a subuser in the EU."""


class SendGridProvider:
    """One SendGrid account. Mail Send knows no idempotency key: a second send arrives twice, with the same Message-ID."""

    def __init__(self, config: SendGridConfig, clock: Clock) -> None:
        self.name = config.name
        self.seal_ref: SealRef = no_ref
        self._config = config
        self._clock = clock
        self._calls: SendGridCalls | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first mails."""
        self._calls = await asyncio.to_thread(_calls, self._config, self._clock)

    async def send(self, job: Job) -> Answer:
        """Hand one mail over, unless SendGrid would refuse it for certain."""
        body = composed(job, partial(mail_send_body, ref=self.seal_ref(job)))
        if isinstance(body, Rejected):
            return body
        if self._calls is None:
            raise RuntimeError("the provider was not opened")
        return await self._calls.mail_send(body)

    async def close(self) -> None:
        """Close every connection."""
        if self._calls is not None:
            await self._calls.close()


def _calls(config: SendGridConfig, clock: Clock) -> "SendGridCalls":
    # Only here, and in a thread: a dispatcher without such an instance loads no HTTP client, one that gets it goes on meanwhile.
    from tocsin.dispatch_email.sendgrid_calls import SendGridCalls  # noqa: PLC0415

    return SendGridCalls(
        base_url=config.base_url,
        api_key=config.api_key_file.get_secret_value(),
        timeout=config.call_timeout,
        connect_timeout=config.connecting,
        connections=config.max_in_flight,
        clock=clock,
    )


SENDGRID = ProviderKind(config=SendGridConfig, create=SendGridProvider, idempotency=Idempotency.NONE)
