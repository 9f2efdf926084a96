"""Tokens that `jose` of JavaScript has signed are taken as PyJWT's are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.node_judge import told_by_node

from tocsin.trust import RecipientKey, RefusalCode, TokenHolder, TokenRefused, read_token, verify_token

pytestmark = pytest.mark.npm

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ISSUED_AT = int(NOW.timestamp())
CLAIMS = {
    "tid": "acme",
    "sub": "ada",
    "aud": ["tocsin:inbox"],
    "iat": ISSUED_AT,
    "exp": ISSUED_AT + 3600,
}
SECRET = "s" * 32


def test_jose_signs_what_we_take() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    asked = {"claims": CLAIMS, "kid": "2026", "secret": SECRET, "privateKey": pem}
    tokens = told_by_node(Path(__file__).parent / "jose", "sign.mjs", asked)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keys = {
        "HS256": RecipientKey(algorithm="HS256", key=SECRET),
        "ES256": RecipientKey(algorithm="ES256", key=public),
    }
    assert tokens.keys() == keys.keys()
    expected = TokenHolder(
        tenant="acme", recipient="ada", expires_at=datetime.fromtimestamp(ISSUED_AT + 3600, UTC)
    )
    for algorithm, text in tokens.items():
        assert verify_token(read_token(text), keys[algorithm], now=NOW) == expected
    with pytest.raises(TokenRefused) as refused:
        verify_token(read_token(tokens["HS256"]), keys["ES256"], now=NOW)
    assert refused.value.code is RefusalCode.SIGNATURE
