"""Secrets that tenants enter, sealed, so that they can lie in tables and cross Kafka: AES-256-GCM under keys of the installation.

A sealed text is `<key id>.<base64url of nonce and ciphertext>`. It opens only for the tenant and the entity that it was sealed for, so
a row or a record that is moved to another tenant is worth nothing there.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PURPOSE: Final = b"tocsin.seal.v1\x00"
"""Hashed with each secret, so that a key that is used elsewhere, too, is another key here."""
_NONCE_BYTES: Final = 12


class SealKeyMissing(Exception):
    """Nothing can be sealed or opened: `SEAL_KEYS` has no key, or not the one that a text was sealed with. Set it to what it was."""


class SealBroken(Exception):
    """The text was not sealed here for this tenant and entity, or it was changed. Whoever wrote it has to write it again."""


class Seal:
    """Seals with the first key, opens with each: put a new key in front, and take the old one out when nothing is sealed with it.

    `keys` are the id and the secret of each; an id travels with what its key has sealed.
    """

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        self._sealing: Final = keys[0][0] if keys else None
        self._ciphers: Final = {
            key_id: AESGCM(sha256(_PURPOSE + secret.encode()).digest()) for key_id, secret in keys
        }

    @property
    def has_keys(self) -> bool:
        """Whether anything can be sealed."""
        return self._sealing is not None

    def seal(self, secret: str, *, tenant: str, entity: str) -> str:
        """The sealed text. Raises SealKeyMissing where there is no key."""
        if self._sealing is None:
            raise SealKeyMissing("SEAL_KEYS holds no key to seal with")
        nonce = os.urandom(_NONCE_BYTES)
        box = self._ciphers[self._sealing].encrypt(nonce, secret.encode(), _bound_to(tenant, entity))
        return f"{self._sealing}.{base64.urlsafe_b64encode(nonce + box).rstrip(b'=').decode()}"

    def open(self, sealed: str, *, tenant: str, entity: str) -> str:
        """What was sealed for this tenant and entity. Raises SealKeyMissing or SealBroken."""
        key_id, _, text = sealed.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealKeyMissing(f"SEAL_KEYS holds no key {key_id!r}, with which something was sealed")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            secret = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound_to(tenant, entity))
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise SealBroken(
                "The text was not sealed for this tenant and entity, or it was changed"
            ) from error
        return secret.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether the first key has sealed it."""
        return self._sealing is not None and sealed.startswith(f"{self._sealing}.")


def _bound_to(tenant: str, entity: str) -> bytes:
    return msgspec.json.encode((tenant, entity))
