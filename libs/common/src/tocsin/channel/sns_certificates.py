"""The keys that SNS signs with: each certificate is fetched once, checked, and kept for a day.

Few are fetched at once, and one only once: strangers can name certificates, too. What is under way goes on when the callback that waits for
it has left.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from tocsin.channel.receipts import Cause, Refused
from tocsin.channel.sns_fetch import NotFetched, fetched
from tocsin.runtime import Clock

Fetch = Callable[[str], Awaitable[bytes]]
"""What is under a URL. Raises NotFetched."""
KEPT_SECONDS: Final = 24 * 3600.0
MOST_KEPT: Final = 16
"""SNS has one for a region, and two while it replaces one."""
MOST_AT_ONCE: Final = 4
_NAME: Final = re.compile(r"sns(-signing)?(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?").fullmatch
"""Whom SNS's certificates are made out to, as the validators of AWS's own SDKs have it."""


class _Kept(NamedTuple):
    key: RSAPublicKey
    until: float
    """By the monotonic clock."""


class Certificates:
    """Those of SNS, by URL. `fetch` is called only for URLs that were given here: check them before."""

    def __init__(self, clock: Clock, *, fetch: Fetch = fetched) -> None:
        self._clock = clock
        self._fetch = fetch
        self._kept: dict[str, _Kept] = {}
        self._under_way: dict[str, asyncio.Task[RSAPublicKey | Cause]] = {}

    async def key(self, url: str) -> RSAPublicKey:
        """The key of this certificate. Raises Refused: what is there is none of SNS's, or it cannot be fetched now."""
        kept = self._kept.get(url)
        if kept is not None and kept.until > self._clock.monotonic():
            return kept.key
        found = await asyncio.shield(self._task(url))
        if isinstance(found, Cause):
            raise Refused(found)
        return found

    def _task(self, url: str) -> "asyncio.Task[RSAPublicKey | Cause]":
        task = self._under_way.get(url)
        if task is None:
            if len(self._under_way) >= MOST_AT_ONCE:
                raise Refused(Cause.UNREACHABLE)
            task = self._under_way[url] = asyncio.create_task(self._fetched(url))
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        return task

    async def _fetched(self, url: str) -> RSAPublicKey | Cause:
        try:
            key = _key(await self._fetch(url), self._clock)
        except NotFetched:
            return Cause.UNREACHABLE
        if key is None:
            return Cause.SIGNATURE
        self._kept.pop(url, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[url] = _Kept(key, self._clock.monotonic() + KEPT_SECONDS)
        return key


def _key(pem: bytes, clock: Clock) -> RSAPublicKey | None:
    """The key of a certificate that is made out to SNS and valid now; None where it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not (len(names) == 1 and _NAME(str(names[0].value)) and isinstance(key, RSAPublicKey)):
        return None
    valid = certificate.not_valid_before_utc <= clock.now() <= certificate.not_valid_after_utc
    return key if valid else None
