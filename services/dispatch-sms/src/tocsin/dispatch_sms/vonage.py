"""Provider kind `vonage`: the Messages API, version 1 (https://developer.vonage.com/en/api/messages)."""

from typing import TYPE_CHECKING, Annotated, Literal

import httpx
import msgspec
from pydantic import AfterValidator, Field, SecretStr

from tocsin.channel import (
    Accepted,
    Answer,
    Idempotency,
    ProviderKind,
    Rejected,
    SecretFile,
    SenderConfig,
    message_id,
)
from tocsin.channel.ref import SealRef, no_ref, with_ref
from tocsin.contracts.codec import UNREADABLE_ERRORS, encode
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.http_provider import HttpSmsProvider
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import no_sender, seconds_left, sender_of
from tocsin.dispatch_sms.vonage_errors import answer_of, read
from tocsin.runtime import Clock

if TYPE_CHECKING:
    from tocsin.dispatch_sms.vonage_token import VonageToken

_SHORTEST_TTL, _LONGEST_TTL = 20, 259_200
"""Seconds. 72 hours is how long Vonage tries by default."""


def _is_rsa_key(secret: SecretStr) -> SecretStr:
    from tocsin.dispatch_sms.vonage_token import rsa_key  # noqa: PLC0415 - see `open`

    rsa_key(secret.get_secret_value())
    return secret


class VonageConfig(SenderConfig):
    """`[[providers]]` with `kind = "vonage"`."""

    kind: Literal["vonage"]
    application_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    private_key_file: Annotated[SecretFile, AfterValidator(_is_rsa_key)]
    """The application's private key, as the dashboard gives it out."""
    sender: str | None = None
    """`from`, where the tenant has no sender identity of its own."""
    webhook_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+(/\S*)?$")
    """Where Vonage tells what became of a message: `<DISPATCH_SMS_CALLBACKS_URL>/callbacks/<name>`; the application's own setting if
    absent, and then no ref comes back."""
    base_url: str = Field(default="https://api.nexmo.com", pattern=r"^https?://\S*[^\s/]$")


class _Taken(msgspec.Struct):
    message_uuid: str = ""


_read_taken = msgspec.json.Decoder(_Taken).decode


class VonageProvider(HttpSmsProvider):
    """One Vonage application."""

    longest_text = 1000

    def __init__(self, config: VonageConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._config = config
        self._url = f"{config.base_url}/v1/messages"
        self._token: VonageToken | None = None

    async def open(self) -> None:
        """Make the client and what signs; connections come with the first messages."""
        # Only here: a dispatcher without such an instance does not load what signs.
        from tocsin.dispatch_sms.vonage_token import VonageToken  # noqa: PLC0415

        self._token = VonageToken(
            application_id=self._config.application_id,
            private_key=self._config.private_key_file.get_secret_value(),
            clock=self._clock,
        )
        await super().open()

    def request(self, job: Job, text: str) -> httpx.Request | Rejected:
        """The message as JSON, with the application's token."""
        if self._token is None:
            raise RuntimeError("the provider was not opened")
        sender = sender_of(job, self._config.sender)
        if sender is None:
            return no_sender()
        message: dict[str, str | int] = {
            "channel": "sms",
            "message_type": "text",
            "to": job.private.address.removeprefix("+"),
            "from": sender.removeprefix("+"),
            "text": text,
            # Vonage's own queue must not send it late either.
            "ttl": min(max(seconds_left(job, self._clock), _SHORTEST_TTL), _LONGEST_TTL),
            "client_ref": job.delivery_id,
        }
        if self._config.webhook_url is not None:
            message["webhook_url"] = with_ref(self._config.webhook_url, self.seal_ref(job))
        headers = {
            "Authorization": f"Bearer {self._token.get()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Tocsin-Notification": job.notification_id,
            "X-Tocsin-Delivery": job.delivery_id,
        }
        return httpx.Request("POST", self._url, content=encode(message), headers=headers)

    def answer(self, response: httpx.Response, text: str) -> Answer:
        """What the response means."""
        if response.is_success and (identity := _message_id(response.content)):
            return Accepted(message_id=identity, segments=segments(text))
        return answer_of(response.status_code, read(response.content), retry_after=self.pause(response))


def _message_id(body: bytes) -> str | None:
    try:
        return message_id(_read_taken(body).message_uuid)
    except UNREADABLE_ERRORS:
        return None


VONAGE = ProviderKind(
    config=VonageConfig,
    create=VonageProvider,
    idempotency=Idempotency.NONE,
    title="Vonage Messages",
    limit=f"{VonageProvider.longest_text} characters a text",
)
