"""How much of a batch is decided before it is written: no transaction waits long, none grows with what templates render."""

from collections.abc import Iterable
from typing import Final

from tocsin.kafka import Outgoing
from tocsin.runtime import Clock

SECONDS: Final = 1.0
BYTES: Final = 16 * 1024 * 1024


class Share:
    """Begins when it is made."""

    __slots__ = ("_bytes", "_clock", "_until")

    def __init__(self, *, clock: Clock, seconds: float = SECONDS, size: int = BYTES) -> None:
        self._clock = clock
        self._until = clock.monotonic() + seconds
        self._bytes = size

    @property
    def left(self) -> bool:
        """Whether another record may be dealt with."""
        return self._bytes > 0 and self._clock.monotonic() < self._until

    def take(self, written: Iterable[Outgoing]) -> None:
        """These records will be written."""
        self._bytes -= sum(len(one.value or b"") for one in written)
