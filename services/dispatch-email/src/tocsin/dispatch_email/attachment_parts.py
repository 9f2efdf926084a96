"""The parts of a mail that hold files: their fields, and where they stand.

    multipart/mixed
    ├── multipart/related      only where the HTML shows files
    │   ├── the text
    │   └── what it shows
    └── the other files

Names are in ASCII as quoted strings, all others as RFC 2231 has them.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

from tocsin.channel.preparation import File
from tocsin.contracts.attachments import Attachment

_LONGEST_PLAIN = 60
_CHARSET = "utf-8''"
_PIECE = 50
"""Characters of a piece of a name, so that lines stay within 76."""
_QUOTED = re.compile(r'([\\"])')


def with_files(text: Sequence[bytes], files: Sequence[File], identity: bytes, *, shown: bool) -> list[bytes]:
    """The mail's body from its `Content-Type` on: `text` is that of the text alone, from its own on. `shown`: there is HTML, which shows what
    is inline."""
    inline = [file for file in files if is_shown(file, shown)]
    others = [file for file in files if not is_shown(file, shown)]
    body = list(text)
    if inline:
        root = text[0].partition(b";")[0].removeprefix(b"Content-Type: ")
        kind = b'related;\r\n type="%b"' % root  # RFC 2387, 3.1
        body = _multipart(kind, b"r", identity, [body, *(_part(file, b"inline") for file in inline)])
    return _multipart(b"mixed", b"m", identity, [body, *(_part(file, b"attachment") for file in others)])


def is_shown(file: File, html: bool) -> bool:
    """Whether the file stands in the HTML, and not beside the text."""
    return html and file.about.inline is not None


def _multipart(kind: bytes, mark: bytes, identity: bytes, parts: Sequence[Sequence[bytes]]) -> list[bytes]:
    """No boundary is the beginning of another one, and `=_` stands neither in quoted-printable nor in base64."""
    boundary = b"=_%b_%b" % (mark, identity)
    body = [b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n\r\n' % (kind, boundary)]
    for part in parts:
        body += [b"--%b\r\n" % boundary, *part, b"\r\n"]
    return [*body, b"--%b--\r\n" % boundary]


def _part(file: File, disposition: bytes) -> tuple[bytes, bytes]:
    about = file.about
    content_id = b"" if about.inline is None else b"Content-ID: <%b>\r\n" % about.inline.encode("ascii")
    head = b"Content-Type: %b\r\nContent-Transfer-Encoding: base64\r\n%bContent-Disposition: %b;%b\r\n\r\n" % (
        about.type.encode("ascii"), content_id, disposition, _file_name(about),
    )  # fmt: skip
    return head, file.lines


def _file_name(about: Attachment) -> bytes:
    """The parameter `filename`, on lines of its own."""
    name = about.name
    if name.isascii() and len(name) <= _LONGEST_PLAIN and "=?" not in name:
        return b'\r\n filename="%b"' % _QUOTED.sub(r"\\\1", name).encode("ascii")
    pieces = [""]
    for character in name:
        escaped = quote(character, safe="", errors="replace")
        if len(pieces[-1]) + len(escaped) > _PIECE:
            pieces.append("")
        pieces[-1] += escaped
    pieces[0] = _CHARSET + pieces[0]
    if len(pieces) == 1:
        return f"\r\n filename*={pieces[0]}".encode("ascii")
    lines = [f"\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces)]
    return ";".join(lines).encode("ascii")
