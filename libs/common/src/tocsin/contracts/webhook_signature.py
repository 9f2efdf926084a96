"""Signatures of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, its specification, "Signature scheme")."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"


def signature_headers(
    secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of a call. `secrets` are `whsec_…`, of which a receiver needs to know one; `timestamp` is seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (f"v1,{base64.b64encode(_digest(secret, signed)).decode()}" for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _digest(secret: str, signed: bytes) -> bytes:
    return hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, "sha256")
