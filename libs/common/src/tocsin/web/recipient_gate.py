"""Who is calling where recipients call for themselves: the holder of a token that their tenant has signed."""

from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope

from tocsin.runtime import Clock, SystemClock
from tocsin.trust import (
    AUDIENCE,
    LONGEST_LIFE,
    RecipientKey,
    RefusalCode,
    TokenHolder,
    TokenRefused,
    read_token,
    verify_token,
)
from tocsin.web import codes
from tocsin.web.codes import ProblemCode
from tocsin.web.failed_authentications import FailedAuthentications, FailureReason
from tocsin.web.origins import is_origin
from tocsin.web.problem import Problem
from tocsin.web.sources import Sources


class TokenDirectory(Protocol):
    """What tenants have said of tokens. `only_known`: of names that it does not know it asks nobody, and says that there is nothing."""

    async def key(self, tenant: str, key_id: str, *, only_known: bool) -> RecipientKey | None:
        """The tenant's key of this name."""
        ...

    async def lets_call(self, origin: str, tenant: str | None, *, only_known: bool) -> bool:
        """Whether the tenant, or any where it is None, has named this origin of pages."""
        ...


_TENANT: Final = "tocsin.token_tenant"
_HOLDER: Final = "tocsin.token_holder"
_HEAD: Final = "Authorization: Bearer eyJ…"
_REFUSALS: Final[dict[RefusalCode, tuple[ProblemCode, FailureReason, str]]] = {
    RefusalCode.MISSING: (codes.TOKEN_INVALID, "missing", f"Send the recipient's token in the header: {_HEAD}"),
    RefusalCode.MALFORMED: (
        codes.TOKEN_INVALID, "malformed",
        "The token is no JWT of HS256 or ES256 with `kid` in its head and `tid`, `sub`, `aud`, `iat` and `exp` in its body.",
    ),
    RefusalCode.SIGNATURE: (
        codes.TOKEN_INVALID, "mismatch", "The key that the token names did not sign it, or not with the key's algorithm."
    ),
    RefusalCode.NOT_YET_VALID: (
        codes.TOKEN_INVALID, "mismatch",
        "The token's `iat` or `nbf` lies ahead, or `nbf` is no number of seconds since 1970: compare your server's clock.",
    ),
    RefusalCode.KEY_UNKNOWN: (
        codes.TOKEN_KEY_UNKNOWN, "unknown", "The tenant `tid` has no key `kid`: see `GET /v1/tenant/inbox-keys`."
    ),
    RefusalCode.EXPIRED: (codes.TOKEN_EXPIRED, "expired", "Ask your server for a new token."),
    RefusalCode.AUDIENCE: (codes.TOKEN_AUDIENCE, "mismatch", f"The token's `aud` must be `{AUDIENCE}`."),
    RefusalCode.LIVES_TOO_LONG: (
        codes.TOKEN_LIVES_TOO_LONG, "mismatch",
        f"The token's `exp` may lie at most {LONGEST_LIFE.total_seconds() / 3600:.0f} hours behind its `iat`.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientGate:
    """Lets recipients in. Failures are counted with those of API keys: a source that fails often is told 429, and makes nobody look up
    what is not known. A token that its tenant has signed is no guess, and is not counted, whatever else is wrong with it."""

    directory: TokenDirectory
    failures: FailedAuthentications
    sources: Sources = field(default_factory=Sources)
    clock: Clock = field(default_factory=SystemClock)

    async def authenticate(self, request: HTTPConnection) -> TokenHolder:
        """Who is calling. Raises 401 with a code that says what is wrong with the token; after many failures of one source 429; 403 for a
        page that the tenant has not named."""
        holder = holder_in(request.scope)
        if holder is None:
            scheme, _, text = request.headers.get("authorization", "").partition(" ")
            holder = await self.holder_of(text.strip() if scheme.lower() == "bearer" else "", request.scope)
        return holder

    async def holder_of(self, text: str, scope: Scope) -> TokenHolder:
        """`authenticate`, for who has read the token already. From then on the request's scope knows its holder."""
        if not text:
            raise self._problem(TokenRefused(RefusalCode.MISSING), scope)
        try:
            claimed = read_token(text)
            key = await self.directory.key(claimed.tenant, claimed.key_id, only_known=self._is_slowed(scope))
            holder = verify_token(claimed, key, now=self.clock.now())
        except TokenRefused as refused:
            raise self._problem(refused, scope) from None
        state = scope.setdefault("state", {})
        state[_TENANT] = holder.tenant
        origin = dict(scope["headers"]).get(b"origin")
        if origin is not None and not await self.lets_call(origin.decode("latin-1"), holder.tenant, scope):
            raise Problem(
                codes.FORBIDDEN,
                "The token's tenant has not named the origin of this page: see `origins` of `PUT /v1/tenant/inbox-keys`.",
            )
        state[_HOLDER] = holder
        return holder

    async def lets_call(self, origin: str, tenant: str | None, scope: Scope) -> bool:
        """Whether pages of this origin may call with tokens of the tenant, or of any where it is None."""
        return is_origin(origin) and await self.directory.lets_call(
            origin, tenant, only_known=self._is_slowed(scope)
        )

    def _is_slowed(self, scope: Scope) -> bool:
        return self.failures.is_slowed(self.sources.of(scope))

    def _problem(self, refused: TokenRefused, scope: Scope) -> Problem:
        code, reason, detail = _REFUSALS[refused.code]
        if refused.signed:
            self.failures.note(reason)
            wait = None
        else:
            wait = self.failures.count(self.sources.of(scope), reason)
        if wait is None:
            return Problem(code, detail, headers={"www-authenticate": "Bearer"})
        detail = f"Many requests without a valid token came from your address. Correct the token, or wait {wait} s."
        return Problem(codes.TOO_MANY_FAILURES, detail, headers={"retry-after": str(wait)})


def tenant_in(scope: Scope) -> str | None:
    """The tenant whose key has signed the token of this request, also where the request is refused; None before that is known."""
    tenant: str | None = scope.get("state", {}).get(_TENANT)
    return tenant


def holder_in(scope: Scope) -> TokenHolder | None:
    """The recipient who was let in with this request; None before that."""
    holder: TokenHolder | None = scope.get("state", {}).get(_HOLDER)
    return holder


class _HoldsToken(SecurityBase):
    """The dependency behind `RecipientCaller`."""

    def __init__(self) -> None:
        self.scheme_name = "recipientToken"
        self.model = HTTPBearerModel(
            bearerFormat="JWT",
            description="A token of the recipient: a JWT of HS256 or ES256 that the tenant's server signs. See docs/recipient-tokens.md",
        )

    async def __call__(self, request: Request) -> TokenHolder:
        gate: RecipientGate = request.app.state.recipient_gate
        return await gate.authenticate(request)


RecipientCaller = Annotated[TokenHolder, Security(_HoldsToken())]
"""For routes that a recipient calls: who it is. The application keeps a `RecipientGate` as `app.state.recipient_gate`."""
