"""Which address a message went to, without the address: `<key id>.<16 characters>`.

The 16 characters are base64url of the first 12 bytes of the HMAC-SHA256, under a key of the installation, of the address in the form
that all its spellings share (`AddressKind.comparable`; UTF-8). A job carries the hash, and each status of its delivery repeats it: so what is learnt from a provider
concerns the address that was sent to, and not the one that the recipient has by now.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from tocsin.router.hmac_sha256 import HmacSha256
from tocsin.router.secret_keys import SecretKey

_has_form: Final = re.compile("[A-Za-z0-9_-]{16}").fullmatch
_BYTES: Final = 12
"""Too few to find an address by, enough that no two addresses of an installation share them; 16 characters without padding."""


class AddressHashes:
    """Hashes under the first key and recognises what each has hashed: put a new key in front, take the old one out a month later."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        self._macs = {key.id: HmacSha256(key.secret.encode()) for key in keys}
        self._signing = self._macs[keys[0].id]
        self._prefix = f"{keys[0].id}."

    def of(self, address: str) -> str:
        """The hash of the address, under the first key."""
        return self._prefix + _hashed(self._signing, address)

    def all_of(self, address: str) -> list[str]:
        """The hash of the address under each key: any of them may have been kept."""
        return [f"{key_id}.{_hashed(mac, address)}" for key_id, mac in self._macs.items()]

    def is_of(self, address_hash: str, address: str) -> bool:
        """Whether one of the keys has made this hash of this address."""
        key_id, _, hashed = address_hash.partition(".")
        mac = self._macs.get(key_id)
        return mac is not None and _hashed(mac, address) == hashed

    def knows(self, address_hash: str) -> bool:
        """Whether one of the keys could have made this hash: it has the form of one, and names a key that is here."""
        key_id, _, hashed = address_hash.partition(".")
        return key_id in self._macs and _has_form(hashed) is not None


def _hashed(mac: HmacSha256, address: str) -> str:
    return urlsafe_b64encode(mac.of(address.encode())[:_BYTES]).decode()
