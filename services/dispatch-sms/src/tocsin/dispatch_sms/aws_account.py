"""What both kinds of AWS have in common: their settings beside the account, and signed calls to one of its APIs."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import httpx
from pydantic import Field

from tocsin.channel.aws_account import AwsConfig
from tocsin.channel.aws_signature import signed_headers
from tocsin.dispatch_sms.http_provider import HttpSmsProvider
from tocsin.runtime import Clock


class AwsMessagesConfig(AwsConfig):
    """What both kinds can be told."""

    sender: str | None = None
    """Where the tenant has no sender identity of its own. Without either AWS chooses one of the account's."""
    max_price: str | None = Field(default=None, pattern=r"^\d{0,2}\.\d{1,5}$")
    """US dollars for a segment at most, as "0.50"."""
    message_type: Literal["transactional", "promotional"] = "transactional"


class AwsProvider(HttpSmsProvider):
    """One account in one region."""

    service: ClassVar[str]
    """As the API's host and its signatures name it."""
    headers: ClassVar[Mapping[str, str]]
    longest_text = 1600

    def __init__(self, config: AwsMessagesConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self._url = f"{config.base_url or f'https://{self.service}.{config.region}.amazonaws.com'}/"
        self._region = config.region
        self._credentials = config.credentials

    def signed(self, body: bytes) -> httpx.Request:
        """The `POST` of this body."""
        headers = signed_headers(
            self._credentials,
            method="POST",
            url=self._url,
            headers=self.headers,
            body=body,
            region=self._region,
            service=self.service,
            now=self._clock.now(),
        )
        return httpx.Request("POST", self._url, content=body, headers=headers)
