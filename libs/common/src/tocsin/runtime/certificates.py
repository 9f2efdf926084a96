"""How long the certificates last that a process was given as files: shown on /metrics, so that nobody learns of it from a failed connection.

The files are read when /metrics is asked for and they have changed since: a mounted Secret is renewed in its place. Python's `ssl` tells the
end of no certificate of our own, so the few bytes before it are read here.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Final

from tocsin.observability import metrics

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_UNREADABLE: Final = float("nan")


def show_certificates(groups: Mapping[str, Any]) -> None:
    """Those that these settings name: each group may have `certificates`, files by what they are for."""
    for group in groups.values():
        for purpose, path in getattr(group, "certificates", {}).items():
            show_certificate(purpose, path)


def show_certificate(purpose: str, path: Path) -> None:
    """From now on."""
    metrics.certificate_seconds_left.labels(purpose).set_function(CertificateFile(path).seconds_left)


def hide_certificate(purpose: str) -> None:
    """It is used no more."""
    metrics.certificate_seconds_left.remove(purpose)


class CertificateFile:
    """A PEM file: our own certificate with those above it, or authorities to trust. Of several, the first that ends counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._ends = _UNREADABLE

    def seconds_left(self) -> float:
        """Until the first of them ends; below 0 after that, not a number where the file cannot be read."""
        try:
            status = self._path.stat()
            if (state := (status.st_mtime_ns, status.st_size)) != self._read_at:
                self._ends = min(end.timestamp() for end in ends_of(self._path.read_bytes()))
                self._read_at = state
        except (OSError, ValueError, IndexError):
            self._read_at, self._ends = None, _UNREADABLE
        return self._ends - time()


def ends_of(pem: bytes) -> Iterator[datetime]:
    """When each certificate of the file ends. Raises ValueError or IndexError for what is none."""
    for body in _PEM.findall(pem):
        yield _end_of(b64decode(body))


def _end_of(certificate: bytes) -> datetime:
    """RFC 5280: Certificate ⊃ TBSCertificate ⊃ version, serial number, signature, issuer, validity ⊃ notBefore, notAfter."""
    fields = list(_values(_inside(_inside(certificate))))
    if fields[0][0] == _VERSION:
        del fields[0]
    _not_before, (kind, text) = list(_values(fields[3][1]))
    written = text.decode("ascii")
    if kind == _UTC_TIME:  # two digits of the year, 1950 to 2049
        written = ("19" if written >= "50" else "20") + written
    return datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _inside(der: bytes) -> bytes:
    """What the sequence at the beginning holds."""
    kind, content = next(_values(der), (0, b""))
    if kind != _SEQUENCE:
        raise ValueError("This is no certificate.")
    return content


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each value, one after the other (X.690, with lengths that are known)."""
    place = 0
    while place < len(der):
        kind, length, place = der[place], der[place + 1], place + 2
        if length & 0x80:
            octets = length & 0x7F
            length, place = int.from_bytes(der[place : place + octets]), place + octets
        if place + length > len(der):
            raise ValueError("This certificate is cut off.")
        yield kind, der[place : place + length]
        place += length
