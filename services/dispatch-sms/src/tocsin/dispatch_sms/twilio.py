"""Provider kind `twilio`: the Messages API (https://www.twilio.com/docs/messaging/api/message-resource)."""

from base64 import b64encode
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
    message_id,
)
from tocsin.channel.ref import SealRef, no_ref, with_ref
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.http_provider import HttpSmsProvider
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import no_sender, seconds_left, sender_of
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
    """Where Twilio tells what became of a message: `<DISPATCH_CALLBACKS_URL>/callbacks/<name>`."""
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


class TwilioProvider(HttpSmsProvider):
    """One Twilio account."""

    longest_text = 1600

    def __init__(self, config: TwilioConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._config = config
        self._url = f"{config.base_url}/2010-04-01/Accounts/{config.account_sid}/Messages.json"
        secret = config.api_key_secret_file or config.auth_token_file
        login = f"{config.api_key_sid or config.account_sid}:{secret.get_secret_value() if secret else ''}"
        self._authorization = f"Basic {b64encode(login.encode()).decode()}"

    def request(self, job: Job, text: str) -> httpx.Request | Rejected:
        """A form that creates one message resource."""
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
            "StatusCallback": self._status_callback(job),
        }
        headers = {
            "Authorization": self._authorization,
            "X-Tocsin-Notification": job.notification_id,
            "X-Tocsin-Delivery": job.delivery_id,
        }
        given = {name: value for name, value in form.items() if value is not None}
        return httpx.Request("POST", self._url, data=given, headers=headers)

    def _status_callback(self, job: Job) -> str | None:
        url = self._config.status_callback
        return None if url is None else with_ref(url, self.seal_ref(job))

    def answer(self, response: httpx.Response, text: str) -> Answer:
        """What the response means."""
        try:
            resource = _read(response.content)
        except UNREADABLE_ERRORS:
            resource = _Resource()
        if response.status_code == 201 or (response.is_success and resource.sid):
            return Accepted(message_id=message_id(resource.sid), segments=segments(text))
        return answer_of(response.status_code, resource.code, retry_after=self.pause(response))


TWILIO = ProviderKind(
    config=TwilioConfig,
    create=TwilioProvider,
    idempotency=Idempotency.NONE,
    title="Twilio",
    limit=f"{TwilioProvider.longest_text} characters a text",
)
