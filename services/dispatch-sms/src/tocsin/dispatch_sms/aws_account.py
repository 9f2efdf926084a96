"""An account at Amazon Web Services, and signed calls to one of its APIs."""

import httpx
from pydantic import Field, SecretStr

from tocsin.channel import Ambiguous, NotSent, SecretFile, SenderConfig
from tocsin.channel.aws_signature import AwsCredentials, signed_headers
from tocsin.channel.http import http_client, no_answer
from tocsin.runtime import Clock


class AwsAccountConfig(SenderConfig):
    """What both kinds of AWS can be told. `base_url` is for partitions and endpoints with other names."""

    region: str = Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d{1,2}$")
    access_key_id: str = Field(pattern=r"^[A-Z0-9]{16,128}$")
    secret_access_key_file: SecretFile
    session_token_file: SecretFile | None = None
    """Beside credentials that expire. Whoever renews them writes both files anew."""
    sender: str | None = None
    """Where the tenant has no sender identity of its own. Without either AWS chooses one of the account's."""
    max_price: str | None = Field(default=None, pattern=r"^\d{0,2}\.\d{1,5}$")
    """US dollars for a segment at most, as "0.50"."""
    base_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+$")


class AwsCalls:
    """Signed `POST /` to one API of the account."""

    def __init__(self, config: AwsAccountConfig, clock: Clock, *, service: str) -> None:
        self._config = config
        self._clock = clock
        self._service = service
        self._url = f"{config.base_url or f'https://{service}.{config.region}.amazonaws.com'}/"
        self._credentials = AwsCredentials(
            access_key_id=config.access_key_id,
            secret_access_key=config.secret_access_key_file.get_secret_value(),
            session_token=_text(config.session_token_file),
        )
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        self._client = http_client(
            timeout=self._config.call_timeout,
            connect_timeout=self._config.connecting,
            connections=self._config.max_in_flight,
        )

    async def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response | NotSent | Ambiguous:
        """The response to `body`; or what it means that there is none."""
        if self._client is None:
            raise RuntimeError("the provider was not opened")
        signed = signed_headers(
            self._credentials,
            method="POST",
            url=self._url,
            headers=headers,
            body=body,
            region=self._config.region,
            service=self._service,
            now=self._clock.now(),
        )
        try:
            return await self._client.post(self._url, content=body, headers=signed)
        except httpx.TransportError as error:
            return no_answer(error)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
