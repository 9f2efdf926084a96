"""The parts of a mail that is a report (multipart/report, RFC 6522), read within bounds.

Anybody may write to the address that bounces go to, so a mail may be made to cost time. Nothing is parsed but the headers of the mail, of
its own parts (what lies within them stays bytes) and the fields that the report consists of. Whatever the mail, this takes a time that grows
with its size alone. What is beyond a bound is refused; it is not read in part.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from email.errors import MessageError
from email.message import Message
from quopri import decodestring
from typing import Final, NamedTuple

MOST_PARTS: Final = 50
"""A report has three. Lines that look like the boundary count, too."""
MOST_BYTES: Final = 64 * 1024
"""Of the headers of the mail, of a report's fields, and of the headers that came back."""
MOST_LINES: Final = 2_000
"""In as many bytes: a mail that has passed twenty servers has some 200."""
MOST_PART_HEAD: Final = 4 * 1024
"""Bytes of the headers of one part: they name a type and an encoding."""
_LONGEST_TYPE: Final = 1_000
"""Characters of a Content-Type: the standard library takes quadratic time for its parameters."""
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_BETWEEN_BLOCKS: Final = re.compile(rb"(?:\r?\n){2,}")

Fields = Mapping[str, str]
"""Header fields by their names in lower case, unfolded; of several with one name the first."""


class TooMuch(Exception):
    """The mail is beyond a bound."""


class Part(NamedTuple):
    """One part of a report, not decoded. `type` is in lower case."""

    type: str
    encoding: str
    content: bytes


def report_parts(raw: bytes) -> tuple[Fields, list[Part]]:
    """The mail's own headers and its parts, none where it is no report. Raises TooMuch, and ValueError where it is malformed."""
    if raw.startswith(b"From "):  # the line that mbox files put before each mail
        raw = raw.partition(b"\n")[2]
    head, body = _head_and_rest(raw, MOST_BYTES)
    fields = fields_of(head)
    kind, boundary = _type_of(fields)
    if kind != "multipart/report" or not boundary:
        return fields, []
    return fields, [_part(content) for content in _split(body, b"--" + boundary.encode("latin-1"))]


def fields_of(head: bytes) -> dict[str, str]:
    """The fields of a block of headers. Raises TooMuch."""
    if len(head) > MOST_BYTES or head.count(b"\n") > MOST_LINES:
        raise TooMuch
    fields: dict[str, str] = {}
    for line in _FOLD.sub(" ", head.decode("latin-1")).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def fields_within(part: Part) -> dict[str, str]:
    """The fields that a part begins with: of a message that came back its headers. Raises TooMuch, ValueError."""
    return fields_of(_head_and_rest(_decoded(part), MOST_BYTES)[0])


def blocks_within(part: Part) -> Iterator[Fields]:
    """The blocks of fields that a part consists of, with an empty line between them. Raises TooMuch, ValueError."""
    content = _decoded(part)
    if len(content) > MOST_BYTES or content.count(b"\n") > MOST_LINES:
        raise TooMuch
    return map(fields_of, _BETWEEN_BLOCKS.split(content))


def _head_and_rest(raw: bytes, most: int) -> tuple[bytes, bytes]:
    """What stands before the first empty line, and what stands after it."""
    if raw.startswith((b"\n", b"\r\n")):
        return b"", raw.partition(b"\n")[2]
    if (blank := _BLANK_LINE.search(raw, 0, most + 4)) is not None:
        return raw[: blank.start()], raw[blank.end() :]
    if len(raw) > most:
        raise TooMuch
    return raw, b""


def _part(content: bytes) -> Part:
    head, rest = _head_and_rest(content, MOST_PART_HEAD)
    fields = fields_of(head)
    return Part(_type_of(fields)[0], fields.get("content-transfer-encoding", "").lower(), rest)


def _type_of(fields: Fields) -> tuple[str, str | None]:
    """The media type and its boundary."""
    value = fields.get("content-type", "text/plain")
    if len(value) > _LONGEST_TYPE:
        raise TooMuch
    message = Message()
    message["content-type"] = value
    try:
        return message.get_content_type(), message.get_boundary()
    except (
        MessageError,
        LookupError,
        TypeError,
    ) as error:  # of parameters in an encoding of their own (RFC 2231)
        raise ValueError("the Content-Type is malformed") from error


def _split(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """What stands between the lines of the delimiter. What follows the last of them counts, so that a mail that was cut short is read."""
    begins: int | None = None
    place = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter)
    for _ in range(MOST_PARTS + 1):
        if place < 0:
            if begins is not None:
                yield body[begins:]
            return
        after = body.find(delimiter, place) + len(delimiter)
        line_ends = body.find(b"\n", after)
        line_ends = len(body) if line_ends < 0 else line_ends
        rest = body[after:line_ends].strip()
        if rest in {b"", b"--"}:
            if begins is not None:
                yield body[begins : max(begins, place)].removesuffix(b"\r")
            if rest:
                return
            begins = line_ends + 1
        place = body.find(b"\n" + delimiter, line_ends)
    raise TooMuch


def _decoded(part: Part) -> bytes:
    if part.encoding not in {"base64", "quoted-printable"}:
        return part.content
    if len(part.content) > MOST_BYTES:
        raise TooMuch
    return b64decode(part.content) if part.encoding == "base64" else decodestring(part.content)
