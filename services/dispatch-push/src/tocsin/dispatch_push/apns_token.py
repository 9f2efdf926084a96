"""The token with which a team shows APNs who it is (JWT, ES256).

https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns: APNs refuses a token that is
older than an hour, and a team that makes more than one in 20 minutes.
"""

from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tocsin.runtime import Clock

RENEW_AFTER: Final = 40 * 60.0
"""Seconds: in the middle of what APNs allows, for clocks may differ."""
_YOUNGEST: Final = 20 * 60.0
"""Seconds: a token that is younger is not replaced when APNs refuses it."""


class ProviderToken:
    """One key's token, kept for 40 minutes."""

    def __init__(self, *, key: EllipticCurvePrivateKey, key_id: str, team_id: str, clock: Clock) -> None:
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._clock = clock
        self._token = ""
        self._made_at = float("-inf")

    def get(self) -> str:
        """The token of now."""
        if self._clock.monotonic() - self._made_at >= RENEW_AFTER:
            self._make()
        return self._token

    def replace(self, token: str) -> bool:
        """APNs refuses `token`. Whether there is another one. For a key that APNs does not take at all, a token is made every 20
        minutes at most."""
        if token != self._token:
            return True
        if self._clock.monotonic() - self._made_at < _YOUNGEST:
            return False
        self._make()
        return True

    def _make(self) -> None:
        claims = {"iss": self._team_id, "iat": self._clock.time_ms() // 1000}
        self._token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
        self._made_at = self._clock.monotonic()
