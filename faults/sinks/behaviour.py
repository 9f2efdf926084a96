"""What a far end does with the messages that reach it, from good to every kind of trouble a provider is known for."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """The kinds of behaviour. Where one is for mail servers or for HTTP alone, it says so."""

    GOOD = "good"
    """Takes everything at once."""
    SLOW = "slow"
    """Takes the message and answers after `seconds`."""
    MUTE = "mute"
    """Never answers; takes nothing. Mail: from `step` on."""
    DRIP = "drip"
    """Takes everything; each byte of every reply comes `seconds` after the one before."""
    REFUSE = "refuse"
    """Answers `code`; takes nothing. Mail: at `step`; 421 also ends the connection. HTTP: with `Retry-After: seconds`, if set."""
    RESET_TAKEN = "reset_taken"
    """Takes the whole message, then resets the connection instead of answering."""
    RESET_LOST = "reset_lost"
    """The same, and has not taken it."""
    NONSENSE = "nonsense"
    """HTTP: answers 200 with a page that is no JSON; takes nothing."""
    CLOSE_NEW = "close_new"
    """Closes every new connection at once; those that were open live on."""
    TLS_FAILURE = "tls_failure"
    """Mail over TLS: every handshake fails."""


class Step(StrEnum):
    """Where a hand-over of mail stands; as in SMTP."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    MESSAGE = "message"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One behaviour with its numbers."""

    kind: Kind = Kind.GOOD
    seconds: float = 0.0
    code: int = 0
    enhanced: str = ""
    """Mail: the enhanced code beside `code`; empty: one that says nothing more."""
    step: Step = Step.MESSAGE


GOOD = Behaviour()
MUTE = Behaviour(kind=Kind.MUTE)
DRIP = Behaviour(kind=Kind.DRIP, seconds=0.5)
RESET_TAKEN = Behaviour(kind=Kind.RESET_TAKEN)
RESET_LOST = Behaviour(kind=Kind.RESET_LOST)
NO_SUCH_MAILBOX = Behaviour(kind=Kind.REFUSE, code=550, enhanced="5.1.1", step=Step.RCPT)
"""Mail: a hard bounce."""
NONSENSE = Behaviour(kind=Kind.NONSENSE)
CLOSE_NEW = Behaviour(kind=Kind.CLOSE_NEW)
TLS_FAILURE = Behaviour(kind=Kind.TLS_FAILURE)


def slow(seconds: float) -> Behaviour:
    """Answers so many seconds after the message."""
    return Behaviour(kind=Kind.SLOW, seconds=seconds)


def refuse(code: int, *, step: Step = Step.MESSAGE, retry_after: float = 0.0) -> Behaviour:
    """Answers `code`: mail at `step`, HTTP with `Retry-After` when it is given."""
    return Behaviour(kind=Kind.REFUSE, code=code, step=step, seconds=retry_after)
