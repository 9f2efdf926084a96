"""An OAuth 2.0 access token for a Google service account (RFC 7523), kept until shortly before it expires.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

import asyncio
from dataclasses import dataclass

import httpx
import jwt
import msgspec

from tocsin.channel import NotSent, Throttled
from tocsin.channel.http import retry_after
from tocsin.contracts.vocabulary import Reason
from tocsin.runtime import Clock

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600  # seconds, the longest an assertion may live
_EARLY = 300.0  # seconds before its end at which a token is replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """What a service account's key file says, as far as it is needed."""

    email: str
    key: str
    """PEM; never shown."""
    key_id: str
    project: str
    token_uri: str

    def __repr__(self) -> str:
        return f"ServiceAccount({self.project})"


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


_read = msgspec.json.Decoder(_Granted).decode


class GoogleToken:
    """One account's token. However many ask at once, one request goes out, and all get what it brought."""

    def __init__(self, *, account: ServiceAccount, client: httpx.AsyncClient, clock: Clock) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._token: str | None = None
        self._until = 0.0
        self._asking: asyncio.Task[str | NotSent | Throttled] | None = None

    async def get(self) -> str | NotSent | Throttled:
        """The token; or why there is none, in which case no message can have been sent."""
        if self._token is not None and self._clock.monotonic() < self._until:
            return self._token
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def discard(self, token: str) -> None:
        """`token` was refused: the next `get` asks for another, unless that has happened already."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """End a request under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _asked(self, _task: object) -> None:
        self._asking = None

    async def _ask(self) -> str | NotSent | Throttled:
        form = {"grant_type": _GRANT, "assertion": self._assertion()}
        try:
            response = await self._client.post(self._account.token_uri, data=form)
        except httpx.TransportError:
            detail = "Google's token endpoint did not answer."
            return NotSent(reason=Reason.UNREACHABLE, detail=detail)
        code = f"HTTP {response.status_code}"
        pause = retry_after(response, now=self._clock.now())
        if response.status_code == 429:
            return Throttled(
                code=code, detail="Google's token endpoint asks for patience.", retry_after=pause
            )
        if 400 <= response.status_code < 500:
            detail = "Google refuses the service account."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
        try:
            granted = _read(response.content)
        except msgspec.DecodeError:
            detail = "Google's token endpoint failed."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail, retry_after=pause)
        self._token = granted.access_token
        self._until = self._clock.monotonic() + max(granted.expires_in - _EARLY, granted.expires_in / 2)
        return granted.access_token

    def _assertion(self) -> str:
        account, now = self._account, int(self._clock.time_ms() / 1000)
        claims = {
            "iss": account.email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _LIFETIME,
        }
        return jwt.encode(claims, account.key, algorithm="RS256", headers={"kid": account.key_id})
