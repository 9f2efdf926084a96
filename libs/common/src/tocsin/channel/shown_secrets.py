"""Secrets that whoever calls shows, compared so that the time tells nothing."""

import hmac
from collections.abc import Iterable

from tocsin.channel.receipts import RawRequest


def shown(request: RawRequest, scheme: str) -> bytes:
    """What `Authorization: <scheme> …` shows; empty without it."""
    given, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip().encode() if given.lower() == scheme else b""


def is_one_of(given: bytes, known: Iterable[bytes]) -> bool:
    """Whether it is one of those that are known. All are compared, so that the time does not say which one is near."""
    right = [hmac.compare_digest(given, secret) for secret in known]
    return any(right)
