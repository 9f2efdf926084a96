"""A dead letter: the raw record as it was, and why it could not be handled, in headers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

PREFIX = "tocsin_dead_"


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a record died. Travels as headers `tocsin_dead_<field>` beside the record's own."""

    service: str
    reason: str
    detail: str
    """One sentence with the field and the remedy; no address, no body."""
    origin: str
    """`topic/partition/offset` of the record."""
    at: datetime
    tenant: str = ""
    original_bytes: int = 0
    """Set, with `original_sha256`, when the value was too large to keep."""
    original_sha256: str = ""

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that carry it."""
        fields = msgspec.to_builtins(self)
        return [(PREFIX + name, str(value).encode()) for name, value in fields.items()]


def read_dead_letter(headers: Iterable[tuple[str, bytes]]) -> DeadLetter:
    """The dead letter a record's headers describe; raises `msgspec.ValidationError` when they describe none."""
    found: Mapping[str, str] = {
        name.removeprefix(PREFIX): value.decode(errors="replace")
        for name, value in headers
        if name.startswith(PREFIX)
    }
    return msgspec.convert(found, DeadLetter, strict=False)


def kept_value(value: bytes | None, letter: DeadLetter, *, at_most: int) -> bytes | None:
    """The value to keep: itself, or None with its length and digest noted on `letter` when it is larger than `at_most`."""
    if value is None or len(value) <= at_most:
        return value
    letter.original_bytes = len(value)
    letter.original_sha256 = sha256(value).hexdigest()
    return None
