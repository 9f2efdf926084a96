"""What the servers that stand for mail providers check alike: addresses, and a mail as MIME."""

import re
from base64 import b64decode
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

ADDRESS = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*@([a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+")


def is_base64(value: object) -> bool:
    """Whether it is a file as JSON carries one: not empty, in one line."""
    try:
        return isinstance(value, str) and bool(b64decode(value, validate=True))
    except ValueError:
        return False


def parsed(source: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(source)


def mime_faults(source: bytes) -> Iterator[str]:
    """What no provider would take for a mail."""
    if not source.isascii():
        yield "8-bit characters"
    if re.search(rb"(?<!\r)\n|\r(?!\n)", source):
        yield "a line does not end in CRLF"
    mail = parsed(source)
    if len(mail.get_all("From", [])) != 1:
        yield "not one From"
    if any(part.defects for part in mail.walk()):
        yield "defects"
    if any(len(line) > 998 for line in source.split(b"\r\n")):
        yield "a line is longer than 998"
