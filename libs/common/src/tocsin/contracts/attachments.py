"""Files that go with a mail, by reference: no record of Kafka carries a file."""

from base64 import b64encode
from typing import Final

import msgspec

BASE64_LINE: Final = 76
"""Characters of a line of base64 in a mail (RFC 2045, 6.8)."""


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
    of_line = BASE64_LINE // 4 * 3
    return b"".join(
        [b64encode(content[at : at + of_line]) + b"\r\n" for at in range(0, len(content), of_line)]
    )
