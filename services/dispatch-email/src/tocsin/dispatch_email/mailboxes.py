"""Mail addresses as SMTP and headers take them, or the refusal of what is none.

The local part must be a dot-atom (RFC 5321); quoted local parts are refused, as nearly every mail provider does.
A domain in other scripts travels in its ASCII form (IDNA 2008, UTS 46). A local part in other scripts needs SMTPUTF8.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import idna

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*@({_LABEL}(?:\.{_LABEL})*)")
_LOCAL = re.compile(
    rf"(?:[{_ATEXT}]|[^\x00-\x9f\s\ud800-\udfff])+(?:\.(?:[{_ATEXT}]|[^\x00-\x9f\s\ud800-\udfff])+)*"
)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_LOCAL = 64
_LONGEST = 254


class NoMailbox(Exception):
    """The text is no mail address that SMTP could carry. The message says what is wrong, without the address."""


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An address ready for envelope and headers: nothing in it can end a line or an angle bracket."""

    wire: bytes
    """`local@domain`; ASCII unless `international`."""
    domain: str
    """The ASCII form of the domain."""
    international: bool = False
    """The local part is not ASCII: only a server with SMTPUTF8 can take it."""


def mailbox(address: str) -> MailAddress:
    """The mailbox that `address` names. Raises NoMailbox."""
    plain = _ASCII.fullmatch(address)
    if plain is None:
        return _other_scripts(address)
    if len(address) > _LONGEST or plain.start(1) > _LONGEST_LOCAL + 1:
        raise NoMailbox("the address is longer than SMTP allows")
    return MailAddress(address.encode("ascii"), plain.group(1))


@lru_cache(maxsize=1024)
def sender_mailbox(address: str) -> MailAddress:
    """`mailbox`, remembered: a tenant's sender identities are few and used for every mail."""
    return mailbox(address)


def _other_scripts(address: str) -> MailAddress:
    local, at, written = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise NoMailbox("the address is not of the form local@domain")
    domain = _ascii_domain(written)
    wire = f"{local}@{domain}".encode()
    if len(wire) > _LONGEST or len(local.encode()) > _LONGEST_LOCAL:
        raise NoMailbox("the address is longer than SMTP allows")
    return MailAddress(wire, domain, international=not local.isascii())


def _ascii_domain(written: str) -> str:
    try:
        domain = idna.encode(written, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise NoMailbox("the domain of the address does not exist in any script") from error
    if not _DOMAIN.fullmatch(domain):
        raise NoMailbox("the domain of the address is not a host name")
    return domain
