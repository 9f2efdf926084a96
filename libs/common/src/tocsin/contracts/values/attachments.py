"""Attachments: what may go with a mail. The dispatcher asks where a URL leads; here is looked at its form only.

No sentence repeats a value: a URL is a secret, and a name may tell who somebody is.
"""

import re
from collections.abc import Sequence
from typing import Final

from tocsin.contracts.attachments import Attachment
from tocsin.contracts.limits import ATTACHMENTS_BYTES, ATTACHMENTS_PER_MESSAGE
from tocsin.contracts.values.link import is_url
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Reason

LONGEST_NAME: Final = 150
LONGEST_URL: Final = 4096
"""URLs that are signed for a short time are long."""
LONGEST_TYPE: Final = 127
NAME_RULE: Final = (
    f"Not the name of a file. Write 1 to {LONGEST_NAME} characters without `/`, `\\` and control characters, not `.` or `..`, no blank at "
    "its ends"
)
URL_RULE: Final = (
    f"Not the URL of a file. Write one of https with a host, of at most {LONGEST_URL} characters, without white space, control characters, "
    '`<`, `>`, `"`, `\\` and user names'
)
SHA256_RULE: Final = "Not a SHA-256. Write that of the file in 64 digits of lower-case hex"
SIZE_RULE: Final = f"Not a size. Write the bytes of the file, 1 to {ATTACHMENTS_BYTES}"
TYPE_RULE: Final = (
    "Not a media type for a file. Write one such as `application/pdf`, in lower case, without parameters; `multipart/` and `message/` cannot be "
    "attached"
)
INLINE_RULE: Final = (
    "Not a content id. Write 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, and show it in HTML as `cid:…`"
)
SUM_RULE: Final = (
    f"All files of a message may be {ATTACHMENTS_BYTES} bytes together. Send a link to what is larger"
)
COUNT_RULE: Final = f"A message has at most {ATTACHMENTS_PER_MESSAGE} attachments"
TWICE_RULE: Final = "Another attachment has this content id. Give each its own"

_SHA256: Final = re.compile(r"[0-9a-f]{64}").fullmatch
# RFC 6838, 4.2. The parts of multipart and message must not be in base64 (RFC 2045, 6.4).
_TYPE: Final = re.compile(
    r"(?!multipart/|message/)[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*"
).fullmatch
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def attachments(files: Sequence[Attachment]) -> None:
    """Raises ValueRefused for the first fault, with a pointer that begins in the list."""
    content_ids: set[str] = set()
    for place, file in enumerate(files):
        _judge(file, f"/{place}")
        if file.inline is not None:
            if file.inline in content_ids:
                raise _refused(TWICE_RULE).below(f"/{place}/inline")
            content_ids.add(file.inline)
    if len(files) > ATTACHMENTS_PER_MESSAGE:
        raise _refused(COUNT_RULE)
    check_sum(sum(file.size for file in files))


def _judge(file: Attachment, pointer: str) -> None:
    field = "name"
    try:
        file_name(file.name)
        field = "url"
        file_url(file.url)
        field = "sha256"
        file_sha256(file.sha256)
        field = "size"
        file_size(file.size)
        field = "type"
        file_type(file.type)
        field = "inline"
        if file.inline is not None:
            content_id(file.inline)
    except ValueRefused as refused:
        raise refused.below(f"{pointer}/{field}") from None


def file_name(text: str) -> str:
    """The name of a file. Raises ValueRefused."""
    sound = 1 <= len(text) <= LONGEST_NAME and is_line(text) and text.isprintable() and text == text.strip()
    if not sound or "/" in text or "\\" in text or text in {".", ".."}:
        raise _refused(NAME_RULE)
    return text


def file_url(text: str) -> str:
    """Where a file lies. Raises ValueRefused."""
    if not is_url(text, longest=LONGEST_URL):
        raise _refused(URL_RULE)
    return text


def file_sha256(text: str) -> str:
    """What a file is known by. Raises ValueRefused."""
    if not _SHA256(text):
        raise _refused(SHA256_RULE)
    return text


def file_size(size: int) -> int:
    """Bytes of a file. Raises ValueRefused."""
    if not 1 <= size <= ATTACHMENTS_BYTES:
        raise _refused(SIZE_RULE)
    return size


def file_type(text: str) -> str:
    """A media type. Raises ValueRefused."""
    if len(text) > LONGEST_TYPE or not _TYPE(text):
        raise _refused(TYPE_RULE)
    return text


def content_id(text: str) -> str:
    """Under which the HTML shows a file. Raises ValueRefused."""
    if not _CONTENT_ID(text):
        raise _refused(INLINE_RULE)
    return text


def check_sum(size: int) -> None:
    """Whether all files of a message are no larger together than they may be. Raises ValueRefused."""
    if size > ATTACHMENTS_BYTES:
        raise _refused(SUM_RULE)


def _refused(rule: str) -> ValueRefused:
    return ValueRefused(Reason.ATTACHMENT_INVALID, rule)
