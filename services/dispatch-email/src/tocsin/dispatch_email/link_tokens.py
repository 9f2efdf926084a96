"""What a link in a mail says to the role `callbacks`, which has no database: which mail it stood in, and where it leads.

It is sealed with the keys of `DISPATCH_REF_KEYS`, for a purpose of its own. Nobody else can make one, so the role leads to no URL that a mail
of ours did not have: it is no open redirect.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.channel.ref import Ref, SealedJob, read_sealed
from tocsin.channel.sealing import RefKey, Sealing

MOST_CHARS: Final = 2_000
"""Of a whole link: mail programs and gateways take so many."""
_PURPOSE: Final = b"tocsin.link.v1\x00"


class LinkKind(StrEnum):
    """What calling it means."""

    OPENED = "o"
    """The mail's picture was loaded."""
    CLICKED = "c"
    """A link of its text was followed."""
    PRESSED = "a"
    """One of its buttons was pressed."""


class AnyMail(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is counted without a person."""

    mail: bytes
    """At random, made for this mail and written down nowhere else: what comes twice is counted once."""
    workflow: str
    category: str
    template: str
    test: bool


class SealedLink(msgspec.Struct, frozen=True, gc=False):
    """One link as it is sealed. `sent` is a whole second since 1970, not before the mail was handed over for the first time; `url` is
    where it leads."""

    kind: LinkKind
    sent: int
    about: SealedJob | AnyMail
    url: str | None = None
    action: str | None = None
    """The button's name."""
    label: str | None = None
    """What stands on the button, where its link leads nowhere: then a page shows it."""


class OpenedLink(msgspec.Struct, frozen=True, gc=False):
    """The same, opened."""

    kind: LinkKind
    sent: int
    about: Ref | AnyMail
    url: str | None
    action: str | None
    label: str | None


class _Wire(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """msgspec tells two arrays apart by nothing, so they have places of their own."""

    kind: str
    sent: int
    url: str | None
    job: SealedJob | None
    mail: AnyMail | None
    action: str | None = None
    label: str | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Wire).decode


class LinkTokens:
    """Seals with the first key, opens with each: an old key stays for as long as links in old mails are to work."""

    def __init__(self, keys: Sequence[RefKey], *, channel: str) -> None:
        self._sealing = Sealing(keys, purpose=_PURPOSE, place=channel.encode())

    def seal(self, link: SealedLink) -> str:
        """The token, safe in a URL's path and in HTML."""
        about = link.about
        job, mail = (about, None) if isinstance(about, SealedJob) else (None, about)
        wire = _Wire(link.kind.value, link.sent, link.url, job, mail, link.action, link.label)
        return self._sealing.seal(_encode(wire))

    def open(self, token: str) -> OpenedLink | None:
        """What it says; None where it is none of ours."""
        if len(token) > MOST_CHARS or (said := self._sealing.open(token)) is None:
            return None
        try:
            wire = _decode(said)
            about = wire.mail if wire.job is None else read_sealed(wire.job)
            if about is None:
                return None
            return OpenedLink(LinkKind(wire.kind), wire.sent, about, wire.url, wire.action, wire.label)
        except (ValueError, LookupError, msgspec.DecodeError):
            return None
