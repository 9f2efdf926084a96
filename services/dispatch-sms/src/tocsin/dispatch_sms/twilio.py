"""Provider kind `twilio`: the Messages API (https://www.twilio.com/docs/messaging/api/message-resource)."""

from typing import Literal

import httpx
import msgspec
from pydantic import Field, model_validator

from tocsin.channel import (
    Accepted,
    Answer,
    Idempotency,
    ProviderKind,
    Rejected,
    SecretFile,
    SenderConfig,
)
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import no_sender, seconds_left, sender_of, text_of
from tocsin.dispatch_sms.twilio_errors import answer_of
from tocsin.runtime import Clock

_LONGEST_VALIDITY = 36_000  # seconds; the API's maximum, and its default


class TwilioConfig(SenderConfig):
    """`[[providers]]` with `kind = "twilio"`."""

    kind: Literal["twilio"]
    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token_file: SecretFile | None = None
    """With the account's own token, or with `api_key_sid` and `api_key_secret_file`."""
    api_key_sid: str | None = Field(default=None, pattern=r"^SK[0-9a-fA-F]{32}$")
    api_key_secret_file: SecretFile | None = None
    sender: str | None = None
    """`From`, where the tenant has no sender identity of its own."""
    messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")
    """Used where the tenant has no sender identity; with one, that sender is used through the service."""
    status_callback: str | None = Field(default=None, pattern=r"^https?://[^\s/]+(/\S*)?$")
    base_url: str = Field(default="https://api.twilio.com", pattern=r"^https?://\S*[^\s/]$")

    @model_validator(mode="after")
    def _fits(self) -> "TwilioConfig":
        if (self.api_key_sid is None) != (self.api_key_secret_file is None):
            raise ValueError("`api_key_sid` and `api_key_secret_file` belong together")
        if (self.auth_token_file is None) == (self.api_key_sid is None):
            raise ValueError("give `auth_token_file`, or `api_key_sid` and `api_key_secret_file`")
        if self.sender is not None and self.messaging_service_sid is not None:
            raise ValueError("give `sender` or `messaging_service_sid`")
        return self


class _Resource(msgspec.Struct):
    """What is read of an answer, a message or an error."""

    sid: str | None = None
    code: int | None = None


_read = msgspec.json.Decoder(_Resource).decode


class TwilioProvider:
    """One Twilio account. The Messages API knows no idempotency key: a second send arrives twice."""

    def __init__(self, config: TwilioConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock
        self._url = f"{config.base_url}/2010-04-01/Accounts/{config.account_sid}/Messages.json"
        secret = config.api_key_secret_file or config.auth_token_file
        self._login = httpx.BasicAuth(
            config.api_key_sid or config.account_sid, secret.get_secret_value() if secret else ""
        )
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = http_client(
            timeout=self._config.call_timeout,
            connect_timeout=self._config.connecting,
            connections=self._config.max_in_flight,
        )

    async def send(self, job: Job) -> Answer:
        """Create one message resource."""
        form = self._form(job)
        if isinstance(form, Rejected):
            return form
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        headers = {"X-Tocsin-Notification": job.notification_id, "X-Tocsin-Delivery": job.delivery_id}
        try:
            response = await self._client.post(self._url, data=form, headers=headers, auth=self._login)
        except httpx.TransportError as error:
            return no_answer(error)
        return self._answer(response, form["Body"])

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _form(self, job: Job) -> dict[str, str] | Rejected:
        text = text_of(job)
        if isinstance(text, Rejected):
            return text
        source = sender_of(job, self._config.sender)
        if source is None and self._config.messaging_service_sid is None:
            return no_sender()
        form = {
            "To": job.private.address,
            "From": source,
            "MessagingServiceSid": self._config.messaging_service_sid,
            "Body": text,
            # Twilio's own queue must not send it late either.
            "ValidityPeriod": str(min(max(seconds_left(job, self._clock), 1), _LONGEST_VALIDITY)),
            "StatusCallback": self._config.status_callback,
        }
        return {name: value for name, value in form.items() if value is not None}

    def _answer(self, response: httpx.Response, body: str) -> Answer:
        try:
            resource = _read(response.content)
        except msgspec.DecodeError:
            resource = _Resource()
        if response.status_code == 201 or (response.is_success and resource.sid):
            return Accepted(message_id=resource.sid, segments=segments(body))
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, resource.code, retry_after=pause)


TWILIO = ProviderKind(config=TwilioConfig, create=TwilioProvider, idempotency=Idempotency.NONE)
