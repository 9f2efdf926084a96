"""How much of a batch is done at once: before its records commit, and from one fan-out."""

from collections.abc import Iterable
from typing import Final

from tocsin.contracts.limits import FAN_OUT_BYTES, FAN_OUT_RECORDS
from tocsin.kafka import ProducerRecord
from tocsin.runtime import Clock

BATCH_SECONDS: Final = 1.0
BATCH_BYTES: Final = 16 * 1024 * 1024


class BatchBudget:
    """How much of a batch is decided before it commits: no transaction waits long, or grows with what templates render.

    The time runs from the moment the budget is made.
    """

    __slots__ = ("_bytes", "_clock", "_until")

    def __init__(self, *, clock: Clock, seconds: float = BATCH_SECONDS, size: int = BATCH_BYTES) -> None:
        self._clock = clock
        self._until = clock.monotonic() + seconds
        self._bytes = size

    @property
    def room(self) -> bool:
        """Whether what is made already may be written, as far as bytes say."""
        return self._bytes > 0

    @property
    def left(self) -> bool:
        """Whether another record of the batch may be dealt with."""
        return self.room and self._clock.monotonic() < self._until

    def charge(self, records: Iterable[ProducerRecord]) -> None:
        """These records will be written."""
        for outgoing in records:
            self._bytes -= len(outgoing.value or b"")


class FanOutBudget:
    """What all fan-outs of one batch may add to it, beyond one record for each that was read.

    The rest of each fan-out goes on as a continuation.
    """

    __slots__ = ("_bytes", "_records")

    def __init__(self, *, records: int = FAN_OUT_RECORDS, size: int = FAN_OUT_BYTES) -> None:
        self._records = records
        self._bytes = size

    @property
    def left(self) -> bool:
        """Whether another intent may follow."""
        return self._records > 0 and self._bytes > 0

    def fits(self, records: int) -> bool:
        """Whether so many small records may follow, all of them."""
        return self.left and records <= self._records

    def charge(self, size: int) -> None:
        """A record of `size` bytes was written."""
        self._records -= 1
        self._bytes -= size
