"""Mail addresses as envelope and headers take them. They come judged and in canonical form: nothing is parsed here.

A local part in other scripts needs SMTPUTF8.
"""

import re

import msgspec

_UNSAFE = re.compile(r"[\s\x00-\x20<>()\[\]\\,;:\"\x7f-\x9f\ud800-\udfff]|^\.|\.\.|\.@").search
"""The last line against headers of somebody else's making: what would end a line, an angle bracket or an address, and dots that no address
has unquoted."""


class NoMailbox(Exception):
    """The text is no mail address in canonical form. The message does not repeat it."""


class MailAddress(msgspec.Struct, frozen=True):
    """An address ready for envelope and headers: nothing in it can end a line or an angle bracket."""

    wire: bytes
    """`local@domain`; ASCII unless `international`."""
    domain: str
    """In ASCII."""
    international: bool = False
    """The local part is not ASCII: only a server with SMTPUTF8 can take it."""


def mailbox(address: str) -> MailAddress:
    """The mailbox that `address`, in canonical form, names. Raises NoMailbox."""
    local, _, domain = address.rpartition("@")
    if not local or not domain or not domain.isascii() or "@" in local or _UNSAFE(address):
        raise NoMailbox("the address is not in its canonical form")
    return MailAddress(address.encode(), domain, international=not local.isascii())


def ascii_mailbox(address: str, *, provider: str) -> MailAddress:
    """The mailbox, for a provider that takes no SMTPUTF8. Raises NoMailbox."""
    box = mailbox(address)
    if box.international:
        raise NoMailbox(f"{provider} takes no address with letters outside ASCII before the @")
    return box
