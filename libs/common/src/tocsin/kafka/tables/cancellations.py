"""The topic `cancels` in memory: what must not be sent any more, read whole by routers and dispatchers.

An entry takes 24 bytes: 8 of its cancellation's hash; 22 bits more of that, with the time of the cancellation; and its place in the order
of time, by which it is forgotten. Entries lie in sorted arrays, 4,096 of them, chosen by the hash, as those of recipients'
versions do.

The hashes are of 86 bits, and of SHA-256: of a billion messages that are looked for among ten million cancellations, one is taken for
another's in one case of ten billion.

`cancels` is kept for seven days. No record that a router or dispatcher reads is older, and of what a timer brings back later the router asks
its database. So an entry is forgotten a day after that, as newer ones come; a copy that takes in nothing does not grow.
"""

from array import array
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.contracts.cancellations import lookups_of
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_cancellation, describe_error
from tocsin.contracts.intents import Intent
from tocsin.kafka.consume.invalid_records import InvalidRecordLimit
from tocsin.kafka.records import ConsumerRecord
from tocsin.observability import get_logger, metrics

log = get_logger(__name__)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_HOUR_MS: Final = 3_600_000
_KEPT_HOURS: Final = 8 * 24
_SEGMENT: Final = 0xFFF
"""Mask: the bits of a hash that choose its segment."""
_TIME_BITS: Final = 42
_TIME: Final = (1 << _TIME_BITS) - 1


class Cancellations:
    """Fed by a `Replica` of `cancels`; asked before a message is decided, and immediately before every hand-off."""

    def __init__(self, *, service: str) -> None:
        self._limit = InvalidRecordLimit(group=f"{service} (copy of cancels)")
        self._unreadable = metrics.cancellations_unreadable.labels(service)
        metrics.cancellations_held.labels(service).set_function(lambda: self._count)
        self._hashes = [array("Q") for _ in range(_SEGMENT + 1)]
        self._entries = [array("Q") for _ in range(_SEGMENT + 1)]
        """Beside each hash: 22 bits more of it, and in the lowest `_TIME_BITS` the latest time, in milliseconds since 1970."""
        self._hours: deque[tuple[int, array[int]]] = deque()
        """The hashes taken in within each hour, oldest first."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def apply(self, record: ConsumerRecord) -> None:
        """Take in one record. One that cannot be read is passed over, with a log line and a metric; many of them are a broken
        release, and raise ConsumptionStopped."""
        try:
            cancellation = decode_cancellation(record.value or b"")
        except UNREADABLE_ERRORS as error:
            log.error("cancellation unreadable", origin=record.ref, reason=describe_error(error))  # noqa: TRY400 - no traceback
            self._unreadable.inc()
            self._limit.saw(invalid=1)
            return
        self._limit.saw(valid=1)
        head, check = _split(cancellation.hash)
        self._put(head, check, _milliseconds(cancellation.requested_at))
        hour = record.timestamp_ms // _HOUR_MS
        if not self._hours or self._hours[-1][0] < hour:
            self._hours.append((hour, array("Q")))
            self._forget(before=hour - _KEPT_HOURS)
        self._hours[-1][1].append(head)

    def of(self, intent: Intent) -> datetime | None:
        """When what this intent asks for was cancelled; None if it was not."""
        if not self._count:  # as a rule
            return None
        for wanted, after in lookups_of(intent):
            at = self._at(*_split(wanted))
            if at > _milliseconds(after):
                return _EPOCH + at * _MILLISECOND
        return None

    def _at(self, head: int, check: int) -> int:
        hashes, entries = self._hashes[head & _SEGMENT], self._entries[head & _SEGMENT]
        at = bisect_left(hashes, head)
        if at < len(hashes) and hashes[at] == head and entries[at] >> _TIME_BITS == check:
            return entries[at] & _TIME
        return 0

    def _put(self, head: int, check: int, time: int) -> None:
        hashes, entries = self._hashes[head & _SEGMENT], self._entries[head & _SEGMENT]
        at = bisect_left(hashes, head)
        if at < len(hashes) and hashes[at] == head:
            entries[at] = check << _TIME_BITS | max(time, self._at(head, check))
            return
        hashes.insert(at, head)
        entries.insert(at, check << _TIME_BITS | time)
        self._count += 1

    def _forget(self, *, before: int) -> None:
        """End what was cancelled before this hour, and not again since."""
        while self._hours[0][0] < before:
            for head in self._hours.popleft()[1]:
                hashes, entries = self._hashes[head & _SEGMENT], self._entries[head & _SEGMENT]
                at = bisect_left(hashes, head)
                if at < len(hashes) and hashes[at] == head and entries[at] & _TIME < before * _HOUR_MS:
                    del hashes[at], entries[at]
                    self._count -= 1


def _split(hashed: bytes) -> tuple[int, int]:
    """64 bits of the hash, and 22 more."""
    return int.from_bytes(hashed[:8]), int.from_bytes(hashed[8:11]) >> 2


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
