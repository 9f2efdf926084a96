"""Which address a message went to, without the address: `<key id>.<16 characters>`.

The 16 characters are base64url of the first 12 bytes of the HMAC-SHA256, under a key of the installation, of the address as it
is sent to (UTF-8). A job carries the hash, and each status of its delivery repeats it: so what is learnt from a provider
concerns the address that was sent to, and not the one that the recipient has by now.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from tocsin.router.secret_keys import SecretKey

_BYTES: Final = 12
"""Too few to find an address by, enough that no two addresses of an installation share them; 16 characters without padding."""
_BLOCK: Final = 64
"""Of SHA-256, as HMAC (RFC 2104) needs it."""
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class AddressHashes:
    """Hashes under the first key and recognises what each has hashed: put a new key in front, take the old one out a month later."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        self._macs = {key.id: _Mac(key.secret.encode()) for key in keys}
        self._signing = self._macs[keys[0].id]
        self._prefix = f"{keys[0].id}."

    def of(self, address: str) -> str:
        """The hash of the address, under the first key."""
        return self._prefix + self._signing.of(address)

    def is_of(self, address_hash: str, address: str) -> bool:
        """Whether one of the keys has made this hash of this address."""
        key_id, _, hashed = address_hash.partition(".")
        mac = self._macs.get(key_id)
        return mac is not None and mac.of(address) == hashed


class _Mac:
    """The head of HMAC-SHA256 under one key. The key is worked in once: `hmac.digest` does it anew for each of a router's jobs,
    and takes three times as long."""

    def __init__(self, secret: bytes) -> None:
        key = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(key.translate(_INNER)), sha256(key.translate(_OUTER))

    def of(self, address: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(address.encode())
        outer.update(inner.digest())
        return urlsafe_b64encode(outer.digest()[:_BYTES]).decode()
