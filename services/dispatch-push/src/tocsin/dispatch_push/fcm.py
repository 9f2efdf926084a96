"""Provider kind `fcm`: Firebase Cloud Messaging, HTTP v1
(https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send).
"""

import asyncio
import re
from typing import Annotated, Any, Literal

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, Field, SecretStr

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
    Throttled,
)
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job, PushContent
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE
from tocsin.contracts.vocabulary import Channel, DeviceKind, Reason
from tocsin.dispatch_push.fcm_errors import answer_of, read
from tocsin.dispatch_push.fcm_parts import with_parts
from tocsin.dispatch_push.google_token import GoogleToken, ServiceAccount
from tocsin.dispatch_push.push_buttons import ACTIONS, as_text
from tocsin.runtime import Clock

_LONGEST_TTL = 2_419_200  # seconds: four weeks
_PAYLOAD_BYTES = 4096
"""What FCM takes of notification and data together."""
_holder_of = CHANNELS[Channel.PUSH].holder_of
_TOKEN = re.compile(r"[!-~]{1,4096}")
_URL = r"^https?://\S*[^\s/]$"


class _KeyFile(msgspec.Struct):
    client_email: str
    private_key: str
    private_key_id: str
    project_id: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a token


_read_key_file = msgspec.json.Decoder(_KeyFile).decode


def _is_key_file(secret: SecretStr) -> SecretStr:
    try:
        key = load_pem_private_key(
            _read_key_file(secret.get_secret_value()).private_key.encode(), password=None
        )
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ValueError("the file is no JSON key of a Google service account") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the service account's key is no RSA key")  # noqa: TRY004 - pydantic reads ValueErrors
    return secret


class FcmConfig(TargetedConfig):
    """`[[providers]]` with `kind = "fcm"`."""

    kind: Literal["fcm"]
    service_account_file: Annotated[SecretFile, AfterValidator(_is_key_file)]
    """The JSON key that Google's console gives out."""
    project: str | None = Field(default=None, pattern=r"^[a-z0-9.:-]+$")
    """The Firebase project, where it is not the account's own."""
    base_url: str = Field(default="https://fcm.googleapis.com", pattern=_URL)
    token_uri: str | None = Field(default=None, pattern=_URL)
    """Where tokens come from, where it is not what the key file says."""

    @property
    def account(self) -> ServiceAccount:
        """The key file, read."""
        file = _read_key_file(self.service_account_file.get_secret_value())
        return ServiceAccount(
            email=file.client_email,
            key=file.private_key,
            key_id=file.private_key_id,
            project=self.project or file.project_id,
            token_uri=self.token_uri or file.token_uri,
        )


class FcmProvider:
    """One Firebase project.

    A second send of a delivery replaces the first where it is shown: the Android notification's `tag` and APNs' collapse
    id are the delivery id. Android's `collapse_key` is left alone: FCM keeps only four of them for a device that is
    offline, and would drop other messages. Apps find `tocsin_notification` and `tocsin_delivery` in the data, and the
    notification's link, where it has one, as `tocsin_link`; browsers open a link of https by themselves. Buttons are in `tocsin_actions`.
    """

    def __init__(self, config: FcmConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock
        self._account = config.account
        self._url = f"{config.base_url}/v1/projects/{self._account.project}/messages:send"
        self._client: httpx.AsyncClient | None = None
        self._token: GoogleToken | None = None

    async def open(self) -> None:
        """Make the client; connections and token come with the first messages."""
        self._client = http_client(
            timeout=self._config.call_timeout,
            connect_timeout=self._config.connecting,
            connections=self._config.max_in_flight,
        )
        self._token = GoogleToken(account=self._account, client=self._client, clock=self._clock)

    async def send(self, job: Job) -> Answer:
        """Send to one device, within `call_timeout` seconds, a new access token included."""
        body = self._body(job)
        if isinstance(body, Rejected):
            return body
        until = asyncio.get_running_loop().time() + self._config.call_timeout
        token = await self._access_token(until)
        if not isinstance(token, str):
            return token
        response = await self._post(body, token, until)
        if isinstance(response, httpx.Response) and _token_refused(response) and self._token is not None:
            self._token.discard(token)
            token = await self._access_token(until)
            if not isinstance(token, str):
                return token
            response = await self._post(body, token, until)
        return self._answer(response) if isinstance(response, httpx.Response) else response

    async def close(self) -> None:
        """Close every connection."""
        if self._token is not None:
            await self._token.close()
        if self._client is not None:
            await self._client.aclose()

    async def _access_token(self, until: float) -> str | NotSent | Throttled:
        if self._token is None:
            raise RuntimeError("the provider was not opened")
        try:
            async with asyncio.timeout_at(until):
                return await self._token.get()
        except TimeoutError:
            return NotSent(reason=Reason.UNREACHABLE, detail="Google's token endpoint did not answer.")

    async def _post(self, body: bytes, token: str, until: float) -> httpx.Response | NotSent | Ambiguous:
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            async with asyncio.timeout_at(until):
                return await self._client.post(self._url, content=body, headers=headers)
        except httpx.TransportError as error:
            return no_answer(error)
        except TimeoutError:
            return Ambiguous(detail="FCM did not answer in time.")

    def _answer(self, response: httpx.Response) -> Answer:
        if response.status_code == 200 and (name := _name(response.content)):
            return Accepted(message_id=name)
        pause = retry_after(response, now=self._clock.now())
        return answer_of(read(response.status_code, response.content), retry_after=pause)

    def _body(self, job: Job) -> bytes | Rejected:
        """The request's body, unless FCM would refuse it for certain."""
        content = job.private.content
        if not isinstance(content, PushContent):
            return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no push message.")
        if not _TOKEN.fullmatch(job.private.address):
            detail = "The device token holds characters that none has."
            return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
        if any(map(_holder_of, content.data)):
            detail = "FCM or Tocsin keeps a name of this message's data for itself. Rename that part of the template."
            return Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)
        message = self._message(job, content)
        body = encode({"message": message})
        if len(body) > _PAYLOAD_BYTES and (size := _payload_bytes(message)) > _PAYLOAD_BYTES:
            detail = (
                f"Title, body and data take {size} bytes; FCM takes {_PAYLOAD_BYTES}. Shorten the template."
            )
            return Rejected(reason=Reason.TOO_LARGE, detail=detail)
        return body

    def _message(self, job: Job, content: PushContent) -> dict[str, Any]:
        """A message that its services' own queues do not deliver late either."""
        expires = int(job.expires_at.timestamp())
        left = min(max(expires - int(self._clock.time_ms() / 1000), 0), _LONGEST_TTL)
        data = {
            **content.data,
            "tocsin_notification": job.notification_id,
            "tocsin_delivery": job.delivery_id,
        }
        link = content.link or job.intent.private.link
        if link is not None:
            data["tocsin_link"] = link
        if content.actions:
            data[ACTIONS] = as_text(content.actions)
        return with_parts(
            {
                "token": job.private.address,
                "notification": {"title": content.title, "body": content.body},
                "data": data,
                "android": {"ttl": f"{left}s", "notification": {"tag": job.delivery_id}},
                "apns": {"headers": {"apns-collapse-id": job.delivery_id, "apns-expiration": str(expires)}},
                **_opened_by_browsers(link),
            },
            content,
        )


def _opened_by_browsers(link: str | None) -> dict[str, Any]:
    """What a browser opens when its user clicks. FCM takes only https here."""
    if link is None or not link.lower().startswith("https://"):
        return {}
    return {"webpush": {"fcm_options": {"link": link}}}


def _payload_bytes(message: dict[str, Any]) -> int:
    return len(encode({"notification": message["notification"], "data": message["data"]}))


class _Sent(msgspec.Struct):
    name: str


_read_sent = msgspec.json.Decoder(_Sent).decode


def _name(body: bytes) -> str | None:
    try:
        return _read_sent(body).name
    except msgspec.DecodeError:
        return None


def _token_refused(response: httpx.Response) -> bool:
    """401 is about our token, unless FCM says that it is about APNs' or web push's."""
    return response.status_code == 401 and not read(401, response.content).fcm


FCM = ProviderKind(
    config=FcmConfig,
    create=FcmProvider,
    idempotency=Idempotency.COLLAPSE,
    targets=frozenset({DeviceKind.FCM}),
    title="Firebase Cloud Messaging",
    limit=f"{_PAYLOAD_BYTES} bytes",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
)
