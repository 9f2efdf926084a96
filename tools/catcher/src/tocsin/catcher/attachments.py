"""Files of mails: put into a mail that came as JSON, and given back to who looks at it."""

import re
from base64 import b64decode
from collections.abc import Iterable
from email.message import EmailMessage
from typing import Final, NamedTuple
from urllib.parse import quote

_OTHER: Final = re.compile(r"[^A-Za-z0-9._ -]")


class File(NamedTuple):
    """One file. `content_id`: the HTML shows it."""

    name: str
    kind: str
    content: bytes
    content_id: str | None = None


def decoded(text: object) -> bytes:
    """What a base64 in one line holds. Raises ValueError."""
    if not isinstance(text, str) or not text:
        raise ValueError("no base64")
    return b64decode(text, validate=True)


def attach(mail: EmailMessage, files: Iterable[File]) -> None:
    """Put the files behind what the mail has. Raises what `email` raises for names and types that it refuses."""
    for file in files:
        main, _, sub = file.kind.partition("/")
        shown = None if file.content_id is None else f"<{file.content_id}>"
        mail.add_attachment(
            file.content,
            maintype=main,
            subtype=sub,
            filename=file.name,
            cid=shown,
            disposition="attachment" if shown is None else "inline",
        )


def download_headers(name: str) -> dict[str, str]:
    """For a file of whoever wrote the mail: a browser saves it, and opens nothing (RFC 6266)."""
    plain = _OTHER.sub("_", name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='', errors='replace')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
