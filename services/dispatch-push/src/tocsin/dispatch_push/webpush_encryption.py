"""A message that only one browser can read: RFC 8291, in one record of RFC 8188's `aes128gcm`."""

import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_RECORD_BYTES: Final = 4096
_LAST_RECORD: Final = b"\x02"


def encrypted_for(browser: bytes, auth_secret: bytes, plain: bytes) -> bytes:
    """`plain` for the browser with this public key (a point of P-256, uncompressed) and secret, with a key pair of this message's own: 103
    bytes longer. Raises ValueError where the key is no point of the curve."""
    theirs = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), browser)
    key = generate_private_key(SECP256R1())
    ours = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = _derived(key.exchange(ECDH(), theirs), auth_secret, b"WebPush: info\x00" + browser + ours, 32)
    salt = os.urandom(16)
    record = AESGCM(_derived(shared, salt, b"Content-Encoding: aes128gcm\x00", 16)).encrypt(
        _derived(shared, salt, b"Content-Encoding: nonce\x00", 12), plain + _LAST_RECORD, None
    )
    return salt + _RECORD_BYTES.to_bytes(4, "big") + bytes((len(ours),)) + ours + record


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
