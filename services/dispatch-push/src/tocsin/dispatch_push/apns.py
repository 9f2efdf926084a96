"""Provider kind `apns`: Apple's push service, asked directly
(https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns).
"""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from tocsin.channel import (
    Accepted,
    Ambiguous,
    Answer,
    Idempotency,
    NotSent,
    ProviderKind,
    Rejected,
    SecretFile,
    TargetedConfig,
)
from tocsin.channel.answers import reason_of
from tocsin.contracts.jobs import Job
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.vocabulary import DeviceKind, Reason
from tocsin.dispatch_push.apns_errors import answer_of, read, token_refused
from tocsin.dispatch_push.apns_message import PAYLOAD_BYTES, ApnsMessage, authorized, message_of
from tocsin.dispatch_push.apns_token import ProviderToken
from tocsin.dispatch_push.es256_key import es256_key, is_es256_key
from tocsin.dispatch_push.http2_client import Http2Client
from tocsin.dispatch_push.http2_exchange import Fate, Response, Unanswered
from tocsin.observability import client_span
from tocsin.runtime import Clock

_TEN_SIGNS = re.compile(r"[A-Z0-9]{10}").fullmatch
_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,254}").fullmatch


def _of_apple(text: str) -> str:
    if not _TEN_SIGNS(text):
        raise ValueError("Apple's ids have ten signs, A to Z and 0 to 9")
    return text


def _topic(text: str) -> str:
    if not _TOPIC(text):
        raise ValueError("a topic is an app's bundle id, such as com.example.shop")
    return text


def _reachable(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username is not None or parts.path or parts.query or parts.fragment:
        raise ValueError("it has a scheme and a host, such as https://api.push.apple.com")
    return url


_AppleId = Annotated[str, AfterValidator(_of_apple)]
_Topic = Annotated[str, AfterValidator(_topic)]


class ApnsConfig(TargetedConfig):
    """`[[providers]]` with `kind = "apns"`."""

    kind: Literal["apns"]
    key_file: Annotated[SecretFile, AfterValidator(is_es256_key)]
    """The signing key (`.p8`) that Apple's developer pages give out."""
    key_id: _AppleId
    team_id: _AppleId
    topic: _Topic | None = None
    """The bundle id of the app on devices that name no `app`, or none of `topics`."""
    topics: dict[str, _Topic] = Field(default_factory=dict)
    """The bundle id of each `app`, as devices name it."""
    base_url: Annotated[str, AfterValidator(_reachable)] = "https://api.push.apple.com"
    """`https://api.sandbox.push.apple.com` for apps that are installed from Xcode. With `http:` it is HTTP/2 without TLS."""
    ca_file: Path | None = None
    """Certificates to trust, where they are not the system's."""

    @model_validator(mode="after")
    def _has_topics(self) -> "ApnsConfig":
        if self.topic is None and not self.topics:
            raise ValueError("give `topic`, or `topics` with the bundle id of each app")
        if self.ca_file is not None:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as error:
                raise ValueError(
                    f"`ca_file` {self.ca_file} holds no certificates that can be read"
                ) from error
        return self

    def topic_of(self, app: str | None) -> str | None:
        """The topic for a device with this app."""
        return self.topics.get(app, self.topic) if app is not None else self.topic


class ApnsProvider:
    """One team's key, over one connection.

    A second send of a delivery replaces the first where it is shown: the collapse id is the delivery id. Apps find
    `tocsin_notification` and `tocsin_delivery` beside `aps`, and the notification's link, where it has one, as `tocsin_link`.
    """

    def __init__(self, config: ApnsConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._token = ProviderToken(
            key=es256_key(config.key_file), key_id=config.key_id, team_id=config.team_id, clock=clock
        )
        self._client = Http2Client(
            config.base_url,
            connect_timeout=config.connecting,
            ca_file=None if config.ca_file is None else str(config.ca_file),
        )
        self._called: dict[str, str | int | float | bool] = {
            "http.request.method": "POST",
            "server.address": self._client.host,
            "server.port": self._client.port,
        }
        """What spans say of a call."""

    async def open(self) -> None:
        """Read the certificates to trust; the connection comes with the first message."""
        await self._client.open()

    async def send(self, job: Job) -> Answer:
        """Send to one device, within `call_timeout` seconds."""
        topic = self._config.topic_of(job.app)
        if topic is None:
            detail = "The instance has no topic for the device's app: name it in `topics`, or give `topic`."
            return NotSent(reason=Reason.SENDER_REFUSED, detail=detail)
        message = message_of(job, topic, scheme=self._client.scheme, authority=self._client.authority)
        if isinstance(message, Rejected):
            return message
        with client_span("POST", self._called) as call:
            answer = await self._handed_over(message, job)
            if call.opened is not None and (reason := reason_of(answer)) is not None:
                call.opened.fail(reason.value)
        return answer

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _handed_over(self, message: ApnsMessage, job: Job) -> Answer:
        until = asyncio.get_running_loop().time() + self._config.call_timeout
        token = self._token.get()
        response = await self._client.request(authorized(message.head, token), message.payload, until=until)
        if isinstance(response, Response) and response.status == 403:
            error = read(response.status, response.body)
            if token_refused(error) and self._token.replace(token):
                head = authorized(message.head, self._token.get())
                response = await self._client.request(head, message.payload, until=until)
        return _answer(response, job)


def _answer(response: Response | Unanswered, job: Job) -> Answer:
    match response:
        case Response(status=200):
            return Accepted(message_id=job.delivery_id)
        case Response(status=status, body=body):
            return answer_of(read(status, body))
        case Unanswered(fate=Fate.NOT_BEGUN):
            return NotSent(reason=Reason.UNREACHABLE, detail="APNs could not be reached in time.")
        case Unanswered(fate=Fate.NOT_PROCESSED, reason=code):
            detail = "APNs did not take the message: it ended the request or the connection before."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
        case Unanswered():
            return Ambiguous(detail="APNs did not answer after the message was sent.")


APNS = ProviderKind(
    config=ApnsConfig,
    create=ApnsProvider,
    idempotency=Idempotency.COLLAPSE,
    targets=frozenset({DeviceKind.APNS}),
    title="Apple APNs",
    limit=f"{PAYLOAD_BYTES} bytes",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
)
