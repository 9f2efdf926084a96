"""The five ways in which handing a message to a provider can end. Dispatchers `match` on them.

Accepted    it has the message
Rejected    it will never take this message: give up
NotSent     it cannot have taken the message: try again, here or elsewhere
Throttled   it asks for patience: try again later
Ambiguous   nobody knows: a duplicate is possible when tried again
"""

import re
from datetime import datetime
from typing import Final

import msgspec

from tocsin.contracts.vocabulary import Reason, TryAnswer

_MESSAGE_ID = re.compile(r"[!-~]{1,200}")


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The provider took responsibility. `message_id` is its own id; `segments` counts SMS segments."""

    message_id: str | None = None
    code: str | None = None
    segments: int | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Permanent: this message to this address will not be taken. `code` is the provider's own."""

    reason: Reason
    code: str | None = None
    detail: str | None = None
    since: datetime | None = None
    """Of a device that is gone: since when the provider knows that, UTC. One that was registered later is not gone."""


class NotSent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The provider cannot have taken it: refused connection, failed TLS, a code it documents as not accepted."""

    reason: Reason
    code: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    """Seconds, when the provider said so."""


class Throttled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Too many, too fast: not taken. `retry_after` in seconds, when the provider said so."""

    code: str | None = None
    detail: str | None = None
    retry_after: float | None = None


class Ambiguous(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A timeout, or a connection lost after the last byte: it may have been sent."""

    reason: Reason = Reason.NO_ANSWER
    code: str | None = None
    detail: str | None = None


Answer = Accepted | Rejected | NotSent | Throttled | Ambiguous

ANSWER_NAMES: Final[dict[type[Answer], TryAnswer]] = {
    Accepted: TryAnswer.ACCEPTED,
    Rejected: TryAnswer.REJECTED,
    NotSent: TryAnswer.NOT_SENT,
    Throttled: TryAnswer.THROTTLED,
    Ambiguous: TryAnswer.AMBIGUOUS,
}


def message_id(given: str | None) -> str | None:
    """The provider's id of a message, if it can stand in a status."""
    return given if given and _MESSAGE_ID.fullmatch(given) else None


def reason_of(answer: Answer) -> Reason | None:
    """Why it was not taken; None where it was."""
    if isinstance(answer, Accepted):
        return None
    return Reason.THROTTLED if isinstance(answer, Throttled) else answer.reason
