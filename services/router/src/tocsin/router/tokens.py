"""Unsubscribe links: what a message carries, signed, so that whoever holds the message may act on it and on nothing else.

A token is `<payload>.<signature>`, both base64url: a JSON array [key id, tenant, recipient, category, channel] and its
HMAC-SHA256. Nothing is stored; a link holds until its key is taken out of the settings.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

import msgspec

from tocsin.contracts.vocabulary import Channel
from tocsin.router.hmac_sha256 import HmacSha256
from tocsin.router.secret_keys import SecretKey

_PURPOSE = b"tocsin.unsubscribe.v1\x00"
"""Signed with every payload, so that no signature made for something else passes here."""


class Unsubscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says: this recipient wants nothing more of this category on this channel."""

    tenant: str
    recipient: str
    category: str
    channel: Channel


class UnsubscribeTokens:
    """Signs with the first key, accepts each: put a new key in front, and take the old one out when its links may die."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        self._signing = keys[0] if keys else None
        self._macs = {key.id: HmacSha256(key.secret.encode(), prefix=_PURPOSE) for key in keys}

    def sign(self, what: Unsubscription) -> str:
        """The token, safe in a URL's path. Without a key, LookupError: settings demand one where links are made."""
        if self._signing is None:
            raise LookupError("ROUTER_UNSUBSCRIBE_KEYS holds no key to sign with")
        payload = msgspec.json.encode(
            (self._signing.id, what.tenant, what.recipient, what.category, what.channel)
        )
        return f"{_text(payload)}.{_text(self._macs[self._signing.id].of(payload))}"

    def verify(self, token: str) -> Unsubscription | None:
        """What the token says, or None when no key of ours signed it."""
        first, _, second = token.partition(".")
        try:
            payload, signature = _bytes(first), _bytes(second)
            key_id, tenant, recipient, category, channel = msgspec.json.decode(
                payload, type=tuple[str, str, str, str, Channel]
            )
        except (ValueError, binascii.Error):  # msgspec's errors are ValueErrors too
            return None
        if token != f"{_text(payload)}.{_text(signature)}":
            return None  # base64 can be written in several ways; ours is one
        mac = self._macs.get(key_id)
        if mac is None or not hmac.compare_digest(mac.of(payload), signature):
            return None
        return Unsubscription(tenant=tenant, recipient=recipient, category=category, channel=channel)


def unsubscribe_url(public_url: str, token: str) -> str:
    """Where a token is redeemed: GET shows a page, POST acts."""
    return f"{public_url.rstrip('/')}/u/{token}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
