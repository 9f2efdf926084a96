"""The signing key of development: written for the push dispatcher, read to verify what it signs."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .service_account import replace_file

KEY_ID, TEAM_ID = "CATCHERKEY", "CATCHERDEV"
"""The one key and team that the catcher knows."""


class KeyUnreadableError(Exception):
    """The key file is missing or is none; the sentence says which. Write it with `apns-key`."""


def write_key(path: Path) -> None:
    """A new key as Apple gives one out (`.p8`), readable by its owner only; replaces the file in one step."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    replace_file(path, pem.decode(), mode=0o600)


def read_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Its public half. Raises KeyUnreadableError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KeyUnreadableError(f"{path} is not a private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnreadableError(f"{path} does not hold a key for ES256")
    return key.public_key()
