"""Who is calling: API keys from the directory, looked up in memory, and what a route asks of a key."""

import hmac
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope as AsgiScope

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.runtime import Clock, SystemClock
from tocsin.web import codes
from tocsin.web.failed_authentications import FailedAuthentications, FailureReason
from tocsin.web.keys import parse_key
from tocsin.web.newer_copy import BringUpToNow, nothing_newer
from tocsin.web.problem import Problem
from tocsin.web.sources import Sources

KEY_DESCRIPTION: Final = "An API key. Keys `tk_test_…` read, and send to the sandbox; they deliver nothing and change nothing that live sends use."
_API_KEYS: Final = b"api_key/"
_CALLER: Final = "tocsin.caller"
"""Where a request's ASGI scope says who is calling, once that is known: it is looked up before the body is read, and asked for again
by the route."""
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

    def find(self, authorization: str | None) -> Caller | FailureReason:
        """Whose key an `Authorization: Bearer …` header holds, or why it holds none that works."""
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            return "missing"
        parts = parse_key(text.strip())
        if parts is None:
            return "malformed"
        known = self._keys.get(parts.id)
        matches = hmac.compare_digest(parts.sha256, known[0].sha256 if known else _NOBODY)
        if known is None:
            return "unknown"
        key, caller = known
        if not matches or key.mode != parts.mode:
            return "mismatch"
        return "expired" if self._expired(key) else caller

    def _expired(self, key: ApiKeyRecord) -> bool:
        return key.expires_at is not None and key.expires_at <= self._clock.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a route asks of a key: a scope; and, where it changes what live sends use, that it is no test key."""

    scope: Scope
    live_only: bool


SENDING: Final = Access(scope="send", live_only=False)
READING: Final = Access(scope="read", live_only=False)
PREVIEWING: Final = Access(scope="manage", live_only=False)
MANAGING: Final = Access(scope="manage", live_only=True)
OPERATING: Final = Access(scope="operate", live_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Lets requests in, by the keys of one service. `bring_up_to_now` is waited for before a key is refused that nobody has told of:
    perhaps it was made a moment ago."""

    keys: KeyTable
    failures: FailedAuthentications
    sources: Sources = field(default_factory=Sources)
    bring_up_to_now: BringUpToNow = nothing_newer

    async def authenticate(self, request: HTTPConnection) -> Caller:
        """Who is calling. Raises 401, which does not say what was wrong with the key; after many failures of one source 429.

        A key that works is never refused, wherever it comes from and whatever else came from there.
        """
        known: Caller | None = request.scope.get(_CALLER)
        return known or await self.identify(request.scope, request.headers.get("authorization"))

    async def identify(self, scope: AsgiScope, authorization: str | None) -> Caller:
        """`authenticate`, for who has read the header already. From then on the request's scope knows its caller."""
        caller = self.keys.find(authorization)
        if caller == "unknown":
            await self.bring_up_to_now()
            caller = self.keys.find(authorization)
        if isinstance(caller, Caller):
            scope[_CALLER] = caller
            return caller
        wait = self.failures.count(self.sources.of(scope), caller)
        raise _unauthenticated(caller) if wait is None else _too_many(wait)

    async def admit(self, request: HTTPConnection, access: Access) -> Caller:
        """`authenticate`, then 403 unless the key may do what the route does."""
        caller = await self.authenticate(request)
        require_access(caller, access)
        return caller


def require_access(caller: Caller, access: Access) -> None:
    """Raises 403 unless the caller's key may do this."""
    if access.live_only and caller.test:
        raise Problem(codes.TEST_KEY, _live_key_needed(access.scope))
    if access.scope not in caller.scopes:
        raise Problem(codes.SCOPE_MISSING, f"This needs a key with the scope `{access.scope}`.")


async def admit(request: HTTPConnection, access: Access) -> Caller:
    """Who is calling, as the gate of the request's application says. For routes that read the raw request themselves; others `require(access)`."""
    gate: Gate = request.app.state.gate
    return await gate.admit(request, access)


class Require(SecurityBase):
    """The dependency behind `require`; a class of its own so that OpenAPI shows the scheme at no cost per request."""

    def __init__(self, access: Access) -> None:
        self.access: Final[Access] = access
        self.scheme_name = "apiKey"
        self.model = HTTPBearerModel(bearerFormat="tk_live_<id>_<secret>", description=KEY_DESCRIPTION)

    async def __call__(self, request: Request) -> Caller:
        return await admit(request, self.access)


def require(access: Access) -> Require:
    """A dependency for routes: `caller: Annotated[Caller, Security(require(READING), scopes=["read"])]`, or one of the five below."""
    return Require(access)


Sender = Annotated[Caller, Security(require(SENDING), scopes=["send"])]
Reader = Annotated[Caller, Security(require(READING), scopes=["read"])]
Previewer = Annotated[Caller, Security(require(PREVIEWING), scopes=["manage"])]
"""For what changes nothing: a test key is let in, too."""
Manager = Annotated[Caller, Security(require(MANAGING), scopes=["manage"])]
Operator = Annotated[Caller, Security(require(OPERATING), scopes=["operate"])]


def _unauthenticated(reason: FailureReason) -> Problem:
    detail = (
        "Send the key in the header: Authorization: Bearer tk_live_…"
        if reason == "missing"
        else "The key is unknown, expired or revoked."
    )
    return Problem(codes.UNAUTHENTICATED, detail, headers={"www-authenticate": "Bearer"})


def _too_many(wait: int) -> Problem:
    detail = (
        f"Many requests without a valid API key came from your address. Correct the key, or wait {wait} s. "
        "A request with a valid key is answered at once."
    )
    return Problem(codes.TOO_MANY_FAILURES, detail, headers={"retry-after": str(wait)})


def _live_key_needed(scope: Scope) -> str:
    return (
        "A test key (`tk_test_…`) sends to the sandbox and reads. It changes nothing that live sends use. "
        f"Use a live key with the scope `{scope}`."
    )
