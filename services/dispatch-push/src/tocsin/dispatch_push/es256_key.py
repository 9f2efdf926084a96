"""A key that signs with ES256, from a file of PEM: Apple's `.p8` and VAPID keys are such files."""

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr


def es256_key(secret: SecretStr) -> EllipticCurvePrivateKey:
    """The key. Raises ValueError with a sentence without the key."""
    try:
        key = load_pem_private_key(secret.get_secret_value().encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("the file holds no private key in PEM, without password") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("the file's key is none for ES256 (P-256)")  # noqa: TRY004 - pydantic reads ValueErrors
    return key


def is_es256_key(secret: SecretStr) -> SecretStr:
    """For the validator of a setting: the secret, or a ValueError."""
    es256_key(secret)
    return secret
