"""Files that go with a mail, by reference: no record of Kafka carries a file."""

from base64 import b64encode
from typing import Final

import msgspec

BASE64_LINE: Final = 76
"""Characters of a line of base64 in a mail (RFC 2045, 6.8)."""
_OF_LINE: Final = BASE64_LINE // 4 * 3
_PIECE: Final = 1000 * _OF_LINE


class Attachment(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """One file: where it lies, and what it must be. The URL carries its own authority: it is a secret."""

    name: str
    url: str
    """http or https. What may be called is the dispatcher's to say."""
    sha256: str
    """Of the file, 64 digits of lower-case hex."""
    size: int
    """Bytes of the file."""
    type: str
    """Its media type, without parameters."""
    inline: str | None = None
    """The content id under which the HTML shows it: `<img src="cid:logo">`. None: it is listed beside the text."""

    def __repr__(self) -> str:
        return f"Attachment({self.size} bytes)"


class GivenAttachment(Attachment, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True):
    """A file as a producer writes it: a field that nobody knows is a fault."""


def encoded_size(size: int) -> int:
    """Bytes that a file of `size` bytes takes in a mail: base64 in lines that end in CRLF."""
    characters = (size + 2) // 3 * 4
    return characters + -(-characters // BASE64_LINE) * 2


def encoded_lines(content: bytes) -> bytes:
    """The file in base64, in lines of 76 characters that end in CRLF."""
    # Piece by piece: all lines of 10 MiB as objects of their own would take twice the memory of the file.
    return b"".join([_lines(content[at : at + _PIECE]) for at in range(0, len(content), _PIECE)])


def _lines(piece: bytes) -> bytes:
    return b"".join([b64encode(piece[at : at + _OF_LINE]) + b"\r\n" for at in range(0, len(piece), _OF_LINE)])
