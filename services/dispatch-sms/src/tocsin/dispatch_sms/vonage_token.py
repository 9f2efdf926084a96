"""The token that every call to Vonage bears: a JWT (RS256) that the application's key signs
(https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens).
"""

from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tocsin.runtime import Clock

_VALID = 900
"""Seconds: what Vonage's own libraries ask for."""
_USED = 600
"""Seconds after which a new one is made. Signing one takes about a millisecond, so it is not done for each message."""


class VonageToken:
    """One application's token."""

    def __init__(self, *, application_id: str, private_key: str, clock: Clock) -> None:
        self._application_id = application_id
        self._key = rsa_key(private_key)
        self._clock = clock
        self._token = ""
        self._until = 0.0

    def get(self) -> str:
        """A token that is valid for five minutes at least."""
        if self._clock.monotonic() >= self._until:
            now = int(self._clock.time_ms() / 1000)
            claims = {
                "application_id": self._application_id,
                "iat": now,
                "exp": now + _VALID,
                "jti": str(uuid4()),
            }
            self._token = jwt.encode(claims, self._key, algorithm="RS256")
            self._until = self._clock.monotonic() + _USED
        return self._token


def rsa_key(pem: str) -> RSAPrivateKey:
    """The key in a file; or a ValueError in words."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("the file is no private key in PEM without a password") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the key is no RSA key")  # noqa: TRY004 - pydantic reads ValueErrors
    return key
