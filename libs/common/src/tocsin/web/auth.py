"""Who is calling: API keys from the directory, looked up in memory, and the scope a route asks for."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.runtime import Clock, SystemClock
from tocsin.web import codes
from tocsin.web.keys import parse_key
from tocsin.web.problem import Problem
from tocsin.web.up_to_now import BringUpToNow

_API_KEYS: Final = b"api_key/"
_NOBODY: Final = "0" * 64
"""Compared with when no key has the id, so that an unknown id takes as long as a wrong secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, as the key says. `test`: everything runs, but ends at the sandbox."""

    tenant: str
    key_id: str
    scopes: frozenset[Scope]
    test: bool


class KeyedRecord(Protocol):
    """What is read here of a record of `directory`."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


class KeyTable:
    """The API keys that work now. A `Replica` of `directory` calls `apply`; their records have the key `api_key/<tenant>/<id>`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._keys: dict[str, tuple[ApiKeyRecord, Caller]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def apply(self, record: KeyedRecord) -> None:
        """Take one record of `directory`, oldest first; everything but API keys is ignored. Raises what the codec raises
        (`UNREADABLE_ERRORS`)."""
        if record.key is None or not record.key.startswith(_API_KEYS):
            return
        if record.value is None:
            self.remove(record.key.decode(errors="replace").split("/", 2)[-1])
        elif isinstance(key := decode_directory(record.value), ApiKeyRecord):
            self.put(key)

    def put(self, key: ApiKeyRecord) -> None:
        """This key works from now on, as it stands here; it replaces what was known under its id."""
        caller = Caller(
            tenant=key.tenant, key_id=key.id, scopes=frozenset(key.scopes), test=key.mode == "test"
        )
        self._keys[key.id] = (key, caller)

    def remove(self, key_id: str) -> None:
        """This key works no longer. An id nobody knows is fine: a tombstone may come twice."""
        self._keys.pop(key_id, None)

    def authenticate(self, authorization: str | None) -> Caller:
        """Whose key an `Authorization: Bearer …` header holds. Raises the 401 problem, which does not say what was wrong with it."""
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise _unauthenticated("Send the key in the header: Authorization: Bearer tk_live_…")
        parts = parse_key(text.strip())
        if parts is None:
            raise _unauthenticated("The key is unknown, expired or revoked.")
        known = self._keys.get(parts.id)
        matches = hmac.compare_digest(parts.sha256, known[0].sha256 if known else _NOBODY)
        if known is None or not matches or known[0].mode != parts.mode or self._expired(known[0]):
            raise _unauthenticated("The key is unknown, expired or revoked.")
        return known[1]

    def authorize(self, authorization: str | None, scope: Scope) -> Caller:
        """`authenticate`, then 403 unless the key has `scope`."""
        caller = self.authenticate(authorization)
        if scope not in caller.scopes:
            raise Problem(codes.SCOPE_MISSING, f"This needs a key with the scope `{scope}`.")
        return caller

    async def admit(
        self, authorization: str | None, scope: Scope, *, bring_up_to_now: BringUpToNow
    ) -> Caller:
        """`authorize`; before a key that nobody has told of is refused, the copy is brought up to now. For routes that read the raw
        request themselves; others `require(scope)`."""
        try:
            return self.authorize(authorization, scope)
        except Problem:
            if not self._may_become_known(authorization):
                raise
        await bring_up_to_now()
        return self.authorize(authorization, scope)

    def _may_become_known(self, authorization: str | None) -> bool:
        """Whether the header holds a key of the right form with an id that nobody has told of: perhaps it was made a moment ago."""
        _, _, text = (authorization or "").partition(" ")
        parts = parse_key(text.strip())
        return parts is not None and parts.id not in self._keys

    def _expired(self, key: ApiKeyRecord) -> bool:
        return key.expires_at is not None and key.expires_at <= self._clock.now()


class Require(SecurityBase):
    """The dependency behind `require`; a class of its own so that OpenAPI shows the scheme at no cost per request."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Final[Scope] = scope
        self.scheme_name = "apiKey"
        self.model = HTTPBearerModel(
            bearerFormat="tk_live_<id>_<secret>",
            description="An API key. Keys `tk_test_…` run everything but deliver nothing.",
        )

    async def __call__(self, request: Request) -> Caller:
        keys: KeyTable = request.app.state.keys
        return await keys.admit(
            request.headers.get("authorization"),
            self.scope,
            bring_up_to_now=request.app.state.bring_up_to_now,
        )


def require(scope: Scope) -> Require:
    """A dependency for routes: `caller: Annotated[Caller, Security(require("read"), scopes=["read"])]`, or one of the four below."""
    return Require(scope)


Sender = Annotated[Caller, Security(require("send"), scopes=["send"])]
Reader = Annotated[Caller, Security(require("read"), scopes=["read"])]
Manager = Annotated[Caller, Security(require("manage"), scopes=["manage"])]
Operator = Annotated[Caller, Security(require("operate"), scopes=["operate"])]


def _unauthenticated(detail: str) -> Problem:
    return Problem(codes.UNAUTHENTICATED, detail, headers={"www-authenticate": "Bearer"})
