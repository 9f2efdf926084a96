"""How push services know who sends to a browser (VAPID, RFC 8292): a token for each of them, signed with ES256."""

from base64 import urlsafe_b64encode
from collections import OrderedDict
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.runtime import Clock

_LIFETIME: Final = 12 * 3600
"""Seconds; a push service refuses a token that lives for more than a day."""
_RENEW_AFTER: Final = 6 * 3600.0
_KEPT: Final = 256
"""Tokens. There are a handful of push services, but endpoints are the tenants' to give."""


class Vapid:
    """One key pair, whose public half browsers were given when they subscribed."""

    def __init__(self, *, key: EllipticCurvePrivateKey, subject: str, clock: Clock) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = urlsafe_b64encode(point).rstrip(b"=").decode()
        """As browsers want it: `applicationServerKey`."""
        self._tokens: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def authorization(self, origin: str) -> str:
        """The header for the push service of this origin."""
        made_at, token = self._tokens.get(origin, (float("-inf"), ""))
        if self._clock.monotonic() - made_at >= _RENEW_AFTER:
            made_at, token = self._clock.monotonic(), self._made(origin)
        self._tokens[origin] = (made_at, token)
        self._tokens.move_to_end(origin)
        if len(self._tokens) > _KEPT:
            self._tokens.popitem(last=False)
        return f"vapid t={token}, k={self.public_key}"

    def _made(self, origin: str) -> str:
        claims = {"aud": origin, "exp": self._clock.time_ms() // 1000 + _LIFETIME, "sub": self._subject}
        return jwt.encode(claims, self._key, algorithm="ES256")
