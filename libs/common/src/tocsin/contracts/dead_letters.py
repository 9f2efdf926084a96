"""A dead letter: the raw record as it was, and why it could not be handled, in headers."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec

from tocsin.contracts.vocabulary import Reason

PREFIX = "tocsin_dead_"
REASONS: Final = tuple(takewhile(lambda reason: reason is not Reason.OTHER_DATA, Reason))
"""Why records die: the first part of all reasons."""

_FRAME: Final = 128
"""Bytes that a record and its batch add at most to key, value and headers."""
_HEADER: Final = 16
"""Bytes that each header adds at most to its name and value."""
_DETAIL_CHARS: Final = 1_000
_NOTES: Final = 1_024
"""Bytes that the lengths and digests of left-out parts take at most."""

Headers = tuple[tuple[str, bytes], ...]


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
    event_source: str = ""
    """Set, as far as they are known, with `event_id` for a record of `events` or a fan-out of one."""
    event_id: str = ""
    workflows: str = ""
    """The keys of the workflows that refused the event, with blanks between, where others took it. Empty: nobody took it."""
    record_time: datetime | None = None
    """When the broker stored the record (log append), UTC, as far as it is known: the life of a message counts from then."""
    original_bytes: int = 0
    """Set, with `original_sha256`, when the value was too large to keep."""
    original_sha256: str = ""
    original_key_bytes: int = 0
    """Set, with `original_key_sha256`, when the key was too large to keep."""
    original_key_sha256: str = ""
    original_headers: int = 0
    """How many headers the record had: set, with their bytes and `original_headers_sha256`, when they were too large to keep."""
    original_headers_bytes: int = 0
    original_headers_sha256: str = ""
    """Of names and values in their order, each with its length before it (4 bytes, big-endian)."""

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that carry it."""
        fields = msgspec.to_builtins(self)
        return [(PREFIX + name, str(value).encode()) for name, value in fields.items()]


_FIRST: Final = PREFIX + DeadLetter.__struct_fields__[0]
"""The name of a letter's first header. The field is required, so every letter has it."""


def read_dead_letter(headers: Headers) -> tuple[DeadLetter, Headers]:
    """The dead letter that a record's headers describe, and the headers of the record that died.

    A producer may have written headers with a letter's names, and a record that was replayed may have died before. Those are the
    record's own: its letter's headers stand after them, and begin with the letter's first field. Raises `msgspec.ValidationError`
    when the headers describe no dead letter.
    """
    names = [name for name, _ in headers]
    start = len(names) - names[::-1].index(_FIRST) - 1 if _FIRST in names else len(names)
    fields: dict[str, str] = {}
    own = list(headers[:start])
    for name, value in headers[start:]:
        if name.startswith(PREFIX):
            fields[name.removeprefix(PREFIX)] = value.decode(errors="replace")
        else:
            own.append((name, value))
    return msgspec.convert(fields, DeadLetter, strict=False), tuple(own)


class TruncatedRecord(NamedTuple):
    """What a dead letter's record is made of: the parts of the original that were kept; `headers` are followed by the letter's."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def truncate_to_fit(
    letter: DeadLetter, *, key: bytes | None, value: bytes | None, headers: Headers, largest: int
) -> TruncatedRecord:
    """The whole record if it fits a topic that takes `largest` bytes; otherwise the record without its largest part or parts.

    Parts are the key, the value, and all headers together. The length and SHA-256 of each part that is left out are noted on
    `letter`, whose detail is cut to 1,000 characters.
    """
    letter.detail = letter.detail[:_DETAIL_CHARS]
    room = largest - _FRAME - _NOTES - _size(letter.headers())
    sizes = {"key": len(key or b""), "value": len(value or b""), "headers": _size(headers)}
    while sum(sizes.values()) > room and any(sizes.values()):
        part = max(sizes, key=sizes.__getitem__)
        sizes[part] = 0
        # Only a part that has bytes can be the largest, so a key or value that is left out is not None.
        if part == "key":
            letter.original_key_bytes, letter.original_key_sha256 = _length_and_digest(key or b"")
            key = None
        elif part == "value":
            letter.original_bytes, letter.original_sha256 = _length_and_digest(value or b"")
            value = None
        else:
            _note_headers(letter, headers)
            headers = ()
    return TruncatedRecord(key, value, (*headers, *letter.headers()))


def _length_and_digest(part: bytes) -> tuple[int, str]:
    return len(part), sha256(part).hexdigest()


def _size(headers: Iterable[tuple[str, bytes]]) -> int:
    return sum(_HEADER + len(name.encode()) + len(value) for name, value in headers)


def _note_headers(letter: DeadLetter, headers: Headers) -> None:
    digest = sha256()
    for name, value in headers:
        for part in (name.encode(), value):
            # The length comes before each part, so that no two lists of headers have the same digest.
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
            letter.original_headers_bytes += len(part)
    letter.original_headers = len(headers)
    letter.original_headers_sha256 = digest.hexdigest()
