"""Subscriptions to Web Push: the token of a device of kind `webpush` is one, as JSON.

A browser gives it as `JSON.stringify(await registration.pushManager.subscribe(…))`. Canonical form: compact JSON of `endpoint` and `keys`
alone, in this order, keys in base64url without padding; so the same subscription is the same token.
"""

import re
from base64 import b64decode
from typing import Final

import msgspec

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

_RULE: Final = (
    "Not a subscription to Web Push. Send what `JSON.stringify(subscription)` gives in a browser, "
    "with `endpoint`, `keys.p256dh` and `keys.auth`"
)
_ENDPOINT: Final = re.compile(r"https?://[a-z0-9.:\[\]-]+(?:/[\x21-\x7e]*)?").fullmatch
_LONGEST_ENDPOINT: Final = 2048
_KEY_BYTES: Final = 65
"""An uncompressed point of P-256 (RFC 8291): 0x04, x, y."""
_AUTH_BYTES: Final = 16


class SubscriptionKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The browser's, in base64url."""

    auth: str
    p256dh: str


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages for a browser are sent, and the keys they are encrypted for. The endpoint is a secret: who knows it can send."""

    endpoint: str
    keys: SubscriptionKeys

    @property
    def public_key(self) -> bytes:
        """The browser's key, a point that may lie on no curve."""
        return _bytes(self.keys.p256dh)

    @property
    def auth_secret(self) -> bytes:
        """16 bytes."""
        return _bytes(self.keys.auth)

    def __repr__(self) -> str:
        return "Subscription(…)"


_decode = msgspec.json.Decoder(Subscription).decode
_encode = msgspec.json.Encoder().encode


def subscription(text: str) -> str:
    """The token in its canonical form. Raises ValueRefused."""
    kept = read_subscription(text)
    keys = SubscriptionKeys(auth=_canonical(kept.keys.auth), p256dh=_canonical(kept.keys.p256dh))
    return _encode(Subscription(endpoint=kept.endpoint, keys=keys)).decode()


def read_subscription(text: str) -> Subscription:
    """What the token says. Raises ValueRefused."""
    try:
        read = _decode(text)
        key, secret = read.public_key, read.auth_secret
    except (msgspec.DecodeError, ValueError) as error:  # binascii.Error is a ValueError
        raise ValueRefused(Reason.DEVICE_INVALID, _RULE) from error
    whole = len(key) == _KEY_BYTES and key[0] == 4 and len(secret) == _AUTH_BYTES
    if not whole or len(read.endpoint) > _LONGEST_ENDPOINT or not _ENDPOINT(read.endpoint):
        raise ValueRefused(Reason.DEVICE_INVALID, _RULE)
    return read


def _canonical(text: str) -> str:
    return text.rstrip("=").replace("+", "-").replace("/", "_")


def _bytes(text: str) -> bytes:
    text = _canonical(text)
    return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
