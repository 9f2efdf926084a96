"""Which tokens let their holder in, and why the others do not. They are signed by PyJWT, as a tenant's server signs them."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.trust import (
    RecipientKey,
    RefusalCode,
    TokenHolder,
    TokenRefused,
    checked_public_key,
    checked_secret,
    read_token,
    verify_token,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECRET = "s" * 32
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
HS256 = RecipientKey(algorithm="HS256", key=SECRET)
ES256 = RecipientKey(algorithm="ES256", key=PUBLIC)
GOOD: dict[str, Any] = {
    "tid": "acme",
    "sub": "ada",
    "aud": "tocsin:inbox",
    "iat": int(NOW.timestamp()),
    "exp": int((NOW + timedelta(hours=1)).timestamp()),
}


def token(key: Any = SECRET, algorithm: str = "HS256", kid: Any = "2026", **claims: Any) -> str:
    """A token of these claims; None takes one away."""
    given = {name: value for name, value in (GOOD | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


def refusal(text: str, key: RecipientKey | None = HS256) -> RefusalCode:
    with pytest.raises(TokenRefused) as refused:
        verify_token(read_token(text), key, now=NOW)
    return refused.value.code


@pytest.mark.parametrize(("text", "key"), [(token(), HS256), (token(PRIVATE, "ES256"), ES256)])
def test_a_good_token_names_its_recipient(text: str, key: RecipientKey) -> None:
    claimed = read_token(text)
    assert (claimed.tenant, claimed.key_id) == ("acme", "2026")
    assert verify_token(claimed, key, now=NOW) == TokenHolder(
        tenant="acme", recipient="ada", expires_at=NOW + timedelta(hours=1)
    )


def test_several_audiences_may_hold_ours() -> None:
    assert verify_token(read_token(token(aud=["other", "tocsin:inbox"])), HS256, now=NOW).recipient == "ada"


def _at(**delta: float) -> int:
    return int((NOW + timedelta(**delta)).timestamp())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (token(exp=_at(seconds=-1)), RefusalCode.EXPIRED),
        (token(exp=_at(seconds=0)), RefusalCode.EXPIRED),
        (token(exp=_at(hours=24, minutes=2)), RefusalCode.LIVES_TOO_LONG),
        (token(exp=10**30), RefusalCode.MALFORMED),
        (token(exp="soon"), RefusalCode.MALFORMED),
        (token(exp=True), RefusalCode.MALFORMED),
        (token(exp=None), RefusalCode.MALFORMED),
        (token(aud="tocsin:other"), RefusalCode.AUDIENCE),
        (token(aud=None), RefusalCode.AUDIENCE),
        (token(aud=["other"]), RefusalCode.AUDIENCE),
        (token(exp=_at(hours=24, seconds=1)), RefusalCode.LIVES_TOO_LONG),
        (token(iat=None), RefusalCode.MALFORMED),
        (token(iat="now"), RefusalCode.MALFORMED),
        (token(iat=_at(minutes=2)), RefusalCode.NOT_YET_VALID),
        (token(nbf=_at(minutes=10)), RefusalCode.NOT_YET_VALID),
        (token(nbf="later"), RefusalCode.NOT_YET_VALID),
        (token(sub=None), RefusalCode.MALFORMED),
        (token(sub=""), RefusalCode.MALFORMED),
        (token(sub="a\x00b"), RefusalCode.MALFORMED),
        (token("x" * 32), RefusalCode.SIGNATURE),
        (token() + "x", RefusalCode.SIGNATURE),
        (token(PRIVATE, "ES256"), RefusalCode.SIGNATURE),
    ],
)
def test_others_are_refused_with_their_reason(text: str, code: RefusalCode) -> None:
    assert refusal(text) is code


@pytest.mark.parametrize("days_later", [0, 364, 364.5, 364.99])
def test_a_token_signed_for_a_year_never_lets_in(days_later: float) -> None:
    """Also on its last day, when its `exp` is near."""
    text = token(exp=_at(days=365))
    with pytest.raises(TokenRefused) as refused:
        verify_token(read_token(text), HS256, now=NOW + timedelta(days=days_later))
    assert refused.value.code is RefusalCode.LIVES_TOO_LONG


def test_clocks_may_differ_by_a_minute() -> None:
    ahead = token(iat=_at(seconds=60), exp=_at(hours=24, seconds=60))
    assert verify_token(read_token(ahead), HS256, now=NOW).recipient == "ada"


def test_a_refusal_says_whether_the_token_was_signed() -> None:
    for text, signed in [(token(exp=1), True), (token(iat=None), True), (token("x" * 32), False)]:
        with pytest.raises(TokenRefused) as refused:
            verify_token(read_token(text), HS256, now=NOW)
        assert refused.value.signed is signed


def test_a_tenant_without_such_a_key_lets_nobody_in() -> None:
    assert refusal(token(), None) is RefusalCode.KEY_UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "x" * 5000,
        token(kid=None),
        token(tid=None),
        token(tid="Not A Tenant"),
        token(tid=7),
        token(algorithm="HS512", key="s" * 64),
        jwt.encode(GOOD, "", algorithm="none", headers={"kid": "2026"}),
        jwt.encode(GOOD, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "2026"}),
        "tk_live_abc_0123456789abcdef",
    ],
)
def test_what_is_no_token_of_ours_is_not_even_looked_up(text: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        read_token(text)
    assert refused.value.code is RefusalCode.MALFORMED


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_no_algorithm_is_never_enough(algorithm: str, signature: str) -> None:
    head = _part({"alg": algorithm, "kid": "2026", "typ": "JWT"})
    with pytest.raises(TokenRefused) as refused:
        read_token(f"{head}.{_part(GOOD)}.{signature}")
    assert refused.value.code is RefusalCode.MALFORMED


def test_a_public_key_is_never_used_as_a_secret() -> None:
    """Whoever knows a tenant's public key could sign with it as if it were the secret of HS256."""
    head, body = _part({"alg": "HS256", "kid": "2026"}), _part(GOOD)
    mac = hmac.digest(PUBLIC.encode(), f"{head}.{body}".encode(), "sha256")
    forged = f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refusal(forged, ES256) is RefusalCode.SIGNATURE


def test_a_key_shows_nothing_of_itself() -> None:
    assert SECRET not in repr(HS256)


SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@here"


@pytest.mark.parametrize("secret", [PUBLIC, SSH, '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}'])
def test_a_key_of_another_kind_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="another kind"):
        checked_secret(secret)


def test_a_secret_is_taken_as_it_is() -> None:
    assert checked_secret(SECRET) == SECRET


def test_public_keys_are_judged() -> None:
    assert checked_public_key(f"\n{PUBLIC}\n\n") == PUBLIC
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(ValueError, match="P-256"):
        checked_public_key(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    for text in ("", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        with pytest.raises(ValueError, match="PEM"):
            checked_public_key(text)
