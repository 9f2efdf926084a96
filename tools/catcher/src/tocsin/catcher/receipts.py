"""Plays receipts: says of a caught message what its provider would, in its form and with its proof, where the message was sent to be told of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from .mail_reports import REPORTS, report
from .messages import AnyMessage, Email, Sms
from .twilio_callbacks import STATUSES, fields_of, signature

_REF: Final = "x-tocsin-ref"


@dataclass(frozen=True)
class Played:
    """It was taken."""


@dataclass(frozen=True)
class NotPlayed:
    """It was not; the reason is for a person."""

    reason: str


class Receipts:
    """Where mails that came back are handed over, with the token that is shown there; and the account that signs Twilio's callbacks, which
    go where each message says."""

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        mail_url: str | None,
        mail_token: str | None,
        twilio_account_sid: str | None,
        twilio_auth_token: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._mail_url = mail_url
        self._mail_token = mail_token
        self._account_sid = twilio_account_sid
        self._auth_token = twilio_auth_token
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """What can be played of this message; nothing where nobody could be told, or not of which message."""
        if isinstance(message, Email):
            named = any(name.lower() == _REF for name, _ in message.headers)
            return list(REPORTS) if message.over_smtp and named and self._mail_url else []
        if isinstance(message, Sms):
            return list(STATUSES) if message.request.get("StatusCallback") and self._auth_token else []
        return []

    async def play(self, message: AnyMessage, name: str) -> Played | NotPlayed:
        """Tell it. `name` is one of `names`."""
        try:
            answer = await self._client.send(self._request(message, name))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return NotPlayed(f"Nobody took it ({type(error).__name__}).")
        if not answer.is_success:
            return NotPlayed(f"It was answered with {answer.status_code}.")
        return Played()

    def _request(self, message: AnyMessage, name: str) -> httpx.Request:
        if isinstance(message, Sms):
            url = message.request["StatusCallback"]
            fields = fields_of(message, name, account_sid=self._account_sid or "")
            proof = {"X-Twilio-Signature": signature(url, fields, token=self._auth_token or "")}
            return self._client.build_request("POST", url, data=fields, headers=proof)
        if not isinstance(message, Email):
            raise TypeError("of other messages nothing is told")
        shown = {"Authorization": f"Bearer {self._mail_token}", "Content-Type": "message/rfc822"}
        mail = report(message, name, now=self._now())
        return self._client.build_request("POST", self._mail_url or "", content=mail, headers=shown)
