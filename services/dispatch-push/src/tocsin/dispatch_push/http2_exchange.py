"""One request over HTTP/2 and its answer, or what its missing answer means."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Fate(Enum):
    """What became of a request without an answer."""

    NOT_BEGUN = auto()
    """No byte of it was written: it may go over another connection."""
    NOT_PROCESSED = auto()
    """The server cannot have acted on it: it did not get all of it, or says that it did not begin it."""
    UNKNOWN = auto()
    """The server may have acted on it."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answered. Nobody has needed its headers yet."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer came. `reason` is the server's own word for why it ended the connection, if it gave one."""

    fate: Fate
    reason: str | None = None


class Exchange:
    """A request, and the future of its answer, which nobody has to wait for. To be made within a running loop."""

    __slots__ = ("answer", "body", "head", "rest", "status", "stream", "until")

    def __init__(self, head: Sequence[tuple[bytes, bytes]], body: bytes, *, until: float) -> None:
        self.head = head
        self.until = until
        """Later than this, on the loop's clock, it does not begin."""
        self.rest = body
        """Of the body: what was not written yet."""
        self.stream = 0
        """Which stream carries it; 0: it has not begun."""
        self.answer: asyncio.Future[Response | Unanswered] = asyncio.get_running_loop().create_future()
        self.status = 0
        """The answer's; 0: none came."""
        self.body = b""
        """What came of the answer's body."""

    @property
    def fate(self) -> Fate:
        """What a lost connection means for it."""
        if not self.stream:
            return Fate.NOT_BEGUN
        return Fate.NOT_PROCESSED if self.rest else Fate.UNKNOWN

    def end(self, answer: Response | Unanswered) -> None:
        """It has ended so, unless whoever waited has left."""
        if not self.answer.done():
            self.answer.set_result(answer)
