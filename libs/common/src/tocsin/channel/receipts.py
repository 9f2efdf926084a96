"""What comes back from providers: how an adapter reads a callback.

    POST /callbacks/<instance>/… ─▶ Receipts.verify: is it the provider's? what does it tell? ─▶ events, each with the ref it bears

`verify` looks at the signature over the raw bytes before it reads any of them. It raises `Refused` for what is not the provider's, or
not one of these callbacks at all. What it returns holds no word of the provider's: those hold addresses. One file for each provider.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.runtime import Clock

NOTED: Final = "noted"
"""The status, in metrics, of events that change nothing."""
TOLERANCE_SECONDS: Final = 300.0
"""So far a callback's time may lie from ours, where its signature covers one."""
_ID: Final = re.compile(r"[A-Za-z0-9_=.-]{1,128}").fullmatch
"""Of a provider's event. Nothing else goes into a status, least of all a `/`: so an id is never taken for the place of a record."""
_ENHANCED: Final = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")


class Cause(StrEnum):
    """Why a callback, or an event of one, came to no status."""

    SIGNATURE = "signature"
    """Not signed, or not by the provider."""
    STALE = "stale"
    """Its time is too far from ours: it may be an old one, played again."""
    REPLAYED = "replayed"
    """It came before, by a token that comes once."""
    TOPIC = "topic"
    """It comes by a topic of a provider's that is not listed."""
    UNSIGNED = "unsigned"
    """It bears no signature at all, and this provider documents that it then repeats it with one."""
    UNREACHABLE = "unreachable"
    """The provider's own server, which had to be asked first, did not answer. The provider is to repeat the callback."""
    UNREADABLE = "unreadable"
    """It is signed and not what the provider documents."""
    REF = "ref"
    """It bears no ref, or one of another instance, installation or key."""
    INSTANCE = "instance"
    """No provider instance of that name takes receipts."""


class Refused(Exception):
    """The callback is not the provider's, or says nothing that can be read. Nothing of it is written."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class RawRequest(NamedTuple):
    """A callback as it came. `url` is the public one, as the provider has called it; `path` is what follows the instance's name, without
    a slash; names of `headers` are in lower case, and of several fields of a name the first counts."""

    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider tells of one message."""

    ref: str | None
    """What the message carried; None: it came without."""
    status: StatusName | None
    """What it means. None: it changes nothing, and is only counted."""
    id: str
    """As `event_id` or `hashed` makes it: the same when it is told again."""
    at: datetime | None = None
    """By the provider's clock, with any time zone."""
    code: str | None = None
    """An enhanced status code (5.1.1) or the provider's own number; never a sentence."""
    reason: Reason | None = None
    detail: str | None = None
    """A sentence of ours."""
    automated: bool = False
    action: str | None = None
    """The name of the button that was pressed."""


class Receipts(Protocol):
    """One provider instance's callbacks."""

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent | Cause]:
        """What the provider tells; in the place of an event that alone cannot be taken stands why. Raises Refused."""
        ...


class ReceiptsConfig(BaseModel):
    """`[providers.receipts]`. Adapters subclass it; unknown fields are faults. A list of files has one, or two while a secret is replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=ReceiptsConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsKind(Generic[C]):
    """How one kind of provider's callbacks are configured, and read. `create` must not connect, and not raise."""

    config: type[C]
    create: Callable[[C, Clock], Receipts]
    tells: frozenset[StatusName] = frozenset()
    """Every status that its events can become, for the table of what each provider can do."""


ReceiptsKinds = Mapping[str, ReceiptsKind[Any]]
"""By the `kind` of the provider instance."""


def event_id(given: str | None, *parts: str) -> str:
    """The provider's id of its event, where it has one of a form that holds nothing else; else a hash of what makes the event."""
    return given if given is not None and _ID(given) else hashed(given or "", *parts)


def hashed(*parts: str) -> str:
    """A hash of what makes an event the one that it is."""
    return sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def enhanced_code(*texts: str | None) -> str | None:
    """The first enhanced status code (RFC 3463) in these texts, and nothing else of them."""
    for text in texts:
        if text and (found := _ENHANCED.search(text)):
            return found[0]
    return None


def in_time(seconds: float, clock: Clock, *, late: float = TOLERANCE_SECONDS) -> None:
    """Raise Refused unless this time, in seconds since 1970, is near ours. A provider that repeats a callback for long with its first
    signature may be `late`."""
    if not -TOLERANCE_SECONDS <= clock.time_ms() / 1000 - seconds <= late:  # written so that NaN is refused
        raise Refused(Cause.STALE)
