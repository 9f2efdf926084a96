"""Tokens with which a tenant's app lets a recipient in: JWTs that the tenant's own server signs.

    {"alg": "ES256", "kid": "2026"} . {"tid": "acme", "sub": "ada", "aud": "tocsin:inbox", "iat": 1780000000, "exp": 1780003600}

`tid` is the tenant, `sub` the recipient's id. A token names its key by `kid`, and the tenant's key says which algorithm is right:
what the token's head says of the algorithm is only compared with it.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, get_args

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from jwt.algorithms import HMACAlgorithm
from jwt.types import Options

from tocsin.contracts.ids import valid_recipient, valid_tenant

AUDIENCE: Final = "tocsin:inbox"
LONGEST_LIFE: Final = timedelta(hours=24)
"""So long after its `iat` a token's `exp` is at most: one that is lost is soon worth nothing."""
CLOCKS_DIFFER: Final = timedelta(seconds=60)
"""So far may the clock of the tenant's server be from ours."""
LONGEST_TOKEN: Final = 4096

Algorithm = Literal["HS256", "ES256"]
_ALGORITHMS: Final = frozenset(get_args(Algorithm))
_SIGNATURE_ALONE: Final[Options] = {
    "verify_signature": True, "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False, "verify_iss": False,
    "verify_sub": False, "verify_jti": False,
}  # fmt: skip


class RefusalCode(StrEnum):
    """What is wrong with a token. The holder is told: it is their own app that has to mend it."""

    MISSING = "missing"
    MALFORMED = "malformed"
    """No JWT, without what it needs, or with an algorithm that is not taken, such as `none`."""
    KEY_UNKNOWN = "key_unknown"
    """The tenant that it names has no key of this name."""
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    AUDIENCE = "audience"
    LIVES_TOO_LONG = "lives_too_long"


class TokenRefused(Exception):
    """The token lets nobody in; `code` says why. `signed`: its tenant's key has signed it, so nobody guesses."""

    def __init__(self, code: RefusalCode, *, signed: bool = False) -> None:
        super().__init__(code.value)
        self.code: Final = code
        self.signed: Final = signed


class RecipientKey(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's key: the shared secret of HS256, or the public key of ES256 as PEM."""

    algorithm: Algorithm
    key: str

    def __repr__(self) -> str:
        return f"RecipientKey(algorithm={self.algorithm!r})"


class ClaimedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of itself, before anybody knows whether it is true: enough to find the key that tells."""

    text: str
    tenant: str
    key_id: str
    algorithm: str


class TokenHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling: a recipient, by the word of their tenant."""

    tenant: str
    recipient: str
    expires_at: datetime


def read_token(text: str) -> ClaimedToken:
    """Whose token it claims to be. Raises TokenRefused where it can be nobody's."""
    if len(text) > LONGEST_TOKEN:
        raise TokenRefused(RefusalCode.MALFORMED)
    try:
        header = jwt.get_unverified_header(text)
        claims = jwt.decode(text, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise TokenRefused(RefusalCode.MALFORMED) from error
    algorithm, key_id, tenant = header.get("alg"), header.get("kid"), claims.get("tid")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS or not isinstance(key_id, str):
        raise TokenRefused(RefusalCode.MALFORMED)
    if not isinstance(tenant, str) or not valid_tenant(tenant):
        raise TokenRefused(RefusalCode.MALFORMED)
    return ClaimedToken(text=text, tenant=tenant, key_id=key_id, algorithm=algorithm)


def verify_token(claimed: ClaimedToken, key: RecipientKey | None, *, now: datetime) -> TokenHolder:
    """The recipient that the token is for. `key` is the one that the tenant has under the token's `kid`. Raises TokenRefused."""
    if key is None:
        raise TokenRefused(RefusalCode.KEY_UNKNOWN)
    if key.algorithm != claimed.algorithm:
        raise TokenRefused(RefusalCode.SIGNATURE)
    try:
        claims = jwt.decode(claimed.text, key.key, algorithms=[key.algorithm], options=_SIGNATURE_ALONE)
    except (jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
        raise TokenRefused(RefusalCode.SIGNATURE) from error
    refusal = _wrong_with(claims, now)
    if refusal is not None:
        raise TokenRefused(refusal, signed=True)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return TokenHolder(tenant=claimed.tenant, recipient=claims["sub"], expires_at=expires_at)


def _wrong_with(claims: dict[str, Any], now: datetime) -> RefusalCode | None:
    """Why what is said with a right signature lets nobody in."""
    issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
    recipient = claims.get("sub")
    if (
        expires_at is None
        or issued_at is None
        or not isinstance(recipient, str)
        or not valid_recipient(recipient)
    ):
        return RefusalCode.MALFORMED
    audience = claims.get("aud")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        return RefusalCode.AUDIENCE
    if expires_at <= now:
        return RefusalCode.EXPIRED
    if expires_at - issued_at > LONGEST_LIFE:
        return RefusalCode.LIVES_TOO_LONG
    valid_from = _moment(claims, "nbf") if "nbf" in claims else issued_at
    if valid_from is None or max(valid_from, issued_at) > now + CLOCKS_DIFFER:
        return RefusalCode.NOT_YET_VALID
    return None


def checked_public_key(pem: str) -> str:
    """The key as PEM in one form. ValueError, with a sentence, where it is no public key of P-256."""
    try:
        key = load_pem_public_key(pem.encode())
    except Exception as error:  # the library raises of many kinds for what is no key
        raise ValueError(
            "Not a public key. Write it as PEM, beginning with -----BEGIN PUBLIC KEY-----"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("Not a key of the curve P-256, which ES256 takes")  # noqa: TRY004 - a value that is not taken
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def checked_secret(secret: str) -> str:
    """The secret, as it is. ValueError, with a sentence, where it is a key of another kind: tokens are not verified with those."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise ValueError(
            "This is a key of another kind (PEM, ssh or JWK), which HS256 does not take. Write 32 random characters or more"
        ) from error
    return secret


def _moment(claims: dict[str, Any], name: str) -> datetime | None:
    """A claim of seconds since 1970, UTC; None where it is none."""
    seconds = claims.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
