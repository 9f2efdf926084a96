"""Texts that only this installation can read and make: `base64url(length of the key's id, the key's id, nonce, AES-256-GCM(bytes))`.

What is sealed for one purpose or one place never opens for another: the purpose is hashed with each secret, the place is associated data.
"""

import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

_NONCE: Final = 12
_TAG: Final = 16


class RefKey(msgspec.Struct, frozen=True):
    """One key of the settings: its id travels with each text, its secret never."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"RefKey(id={self.id!r})"


class Sealing:
    """Seals with the first key, opens with each."""

    def __init__(self, keys: Sequence[RefKey], *, purpose: bytes, place: bytes) -> None:
        # Only here: a dispatcher without keys does not load it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        self._place = place
        self._ciphers = {
            key.id.encode(): AESGCM(sha256(purpose + key.secret.encode()).digest()) for key in keys
        }
        first = keys[0].id.encode()
        self._head = bytes((len(first),)) + first
        self._cipher = self._ciphers[first]
        self.added: Final = len(self._head) + _NONCE + _TAG
        """Bytes that a text has beside what is sealed in it, before base64."""

    def seal(self, said: bytes) -> str:
        """The text: `A-Z a-z 0-9 - _`, another one each time."""
        # Random, for nobody counts how often what was sealed. NIST SP 800-38D allows 2^32 of them with a key.
        nonce = os.urandom(_NONCE)
        raw = self._head + nonce + self._cipher.encrypt(nonce, said, self._place)
        return urlsafe_b64encode(raw).rstrip(b"=").decode()

    def open(self, text: str) -> bytes | None:
        """What was sealed; None where the text is none of ours, or was sealed for another place or purpose."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        try:
            raw = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            id_ends = 1 + raw[0]
            body = id_ends + _NONCE
            return self._ciphers[raw[1:id_ends]].decrypt(raw[id_ends:body], raw[body:], self._place)
        except (ValueError, LookupError, InvalidTag):
            return None
