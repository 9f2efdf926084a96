"""Google's token endpoint for service accounts: a signed assertion for an access token (RFC 7523)."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from .service_account import AccountUnreadableError, ServiceAccount, read_account

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = timedelta(seconds=3599)
_LONGEST_ASSERTION = timedelta(hours=1)
_CLOCK_SKEW = timedelta(minutes=10)
_TOKENS_KEPT = 1000


@dataclass(frozen=True)
class OAuthRefusal:
    """An error as RFC 6749 shapes it and Google words it."""

    status: int
    error: str
    description: str

    def body(self) -> dict[str, str]:
        """The JSON body of the answer."""
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True)
class Grant:
    """What an access token allows."""

    project: str
    scopes: frozenset[str]
    expires_at: datetime


class TokenEndpoint:
    """Trusts one service account, whose file may appear or change while the catcher runs."""

    def __init__(self, *, account_file: Path | None, now: Callable[[], datetime]) -> None:
        self._account_file = account_file
        self._now = now
        self._grants: OrderedDict[str, Grant] = OrderedDict()

    def exchange(self, form: Mapping[str, str]) -> dict[str, Any] | OAuthRefusal:
        """A token response, or why not."""
        if form.get("grant_type") != _GRANT:
            return OAuthRefusal(
                400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}"
            )
        if not form.get("assertion"):
            return OAuthRefusal(400, "invalid_request", "Missing required parameter: assertion")
        account = self._account()
        if isinstance(account, OAuthRefusal):
            return account
        claims = self._verified(form["assertion"], account)
        if isinstance(claims, OAuthRefusal):
            return claims
        return self._issue(account.project, frozenset(str(claims.get("scope", "")).split()))

    def granted(self, token: str) -> Grant | None:
        """What this access token allows now; None when it was not issued here, or is over."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.expires_at > self._now() else None

    def _account(self) -> ServiceAccount | OAuthRefusal:
        if self._account_file is None:
            return OAuthRefusal(
                401, "invalid_client", "CATCHER_FCM_ACCOUNT_FILE is not set: no account is known."
            )
        try:
            return read_account(self._account_file)
        except AccountUnreadableError as unreadable:
            return OAuthRefusal(401, "invalid_client", f"{unreadable}.")

    def _issue(self, project: str, scopes: frozenset[str]) -> dict[str, Any] | OAuthRefusal:
        if not scopes:
            return OAuthRefusal(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._grants[token] = Grant(project, scopes, self._now() + _LIFETIME)
        while len(self._grants) > _TOKENS_KEPT:
            self._grants.popitem(last=False)
        return {"access_token": token, "expires_in": int(_LIFETIME.total_seconds()), "token_type": "Bearer"}

    def _verified(self, assertion: str, account: ServiceAccount) -> dict[str, Any] | OAuthRefusal:
        """The claims, when signature, issuer, audience and times are right. Times are ours: the clock is passed in."""
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                account.public_key,
                algorithms=["RS256"],
                audience=account.token_uri,
                issuer=account.client_email,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            return _invalid("Invalid JWT Signature.")
        except jwt.InvalidIssuerError:
            return _invalid("Invalid grant: account not found")
        except jwt.InvalidAudienceError:
            return _invalid(f"Failed audience check. The right audience is {account.token_uri}")
        except jwt.InvalidTokenError as error:
            return _invalid(f"Invalid JWT: {error}")
        if not self._timely(claims):
            return _invalid(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim."
            )
        return claims

    def _timely(self, claims: Mapping[str, Any]) -> bool:
        issued, expires, now = claims["iat"], claims["exp"], self._now().timestamp()
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            return False
        skew = _CLOCK_SKEW.total_seconds()
        return issued - skew <= now < expires and expires - issued <= _LONGEST_ASSERTION.total_seconds()


def _invalid(description: str) -> OAuthRefusal:
    return OAuthRefusal(400, "invalid_grant", description)
