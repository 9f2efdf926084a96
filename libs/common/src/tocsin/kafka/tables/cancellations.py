"""The topic `cancels` in memory: what must not be sent any more, read whole by routers and dispatchers.

An entry takes 24 bytes, 28 with everything around it: 8 of a hash of the cancellation's name, by which it is found; 22 bits of that name's SHA-256, and the time of the
cancellation; and its place in the order of time, by which it is forgotten. Entries lie in sorted arrays, 4,096 of them, chosen
by the hash, as those of recipients' versions do. The first hash is Python's own, of the process, because it is looked up before
each hand-off; SHA-256 is asked only where the first is found. Of a billion messages that are looked for among ten million cancellations, one
is taken for another's in one case of ten billion.

`cancels` is kept for seven days. No record that a router or dispatcher reads is older, and of what a timer brings back later the router asks
its database. So an entry is forgotten a day after that, as newer ones come; a copy that takes in nothing does not grow.
"""

from array import array
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.contracts.cancellations import cancellation_hash, names_of
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
        self._hashes = [array("q") for _ in range(_SEGMENT + 1)]
        self._entries = [array("Q") for _ in range(_SEGMENT + 1)]
        """Beside each hash: 22 bits of SHA-256, and in the lowest `_TIME_BITS` the latest time, in milliseconds since 1970."""
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
        head = hash(cancellation.name)
        self._put(head, _check(cancellation.name), _milliseconds(cancellation.requested_at))
        hour = record.timestamp_ms // _HOUR_MS
        if not self._hours or self._hours[-1][0] < hour:
            self._hours.append((hour, array("q")))
            self._forget(before=hour - _KEPT_HOURS)
        self._hours[-1][1].append(head)

    def of(self, intent: Intent) -> datetime | None:
        """When what this intent asks for was cancelled; None if it was not."""
        if not self._count:  # as a rule
            return None
        for name, tolerance in names_of(intent):
            at = self._at(name)
            if at and at > _milliseconds(intent.event_time - tolerance):
                return _EPOCH + at * _MILLISECOND
        return None

    def _at(self, name: bytes) -> int:
        """The latest time at which what has this name was cancelled; 0: it was not."""
        head = hash(name)
        hashes = self._hashes[head & _SEGMENT]
        at = bisect_left(hashes, head)
        if at == len(hashes) or hashes[at] != head:
            return 0
        entry = self._entries[head & _SEGMENT][at]
        return entry & _TIME if entry >> _TIME_BITS == _check(name) else 0

    def _put(self, head: int, check: int, time: int) -> None:
        hashes, entries = self._hashes[head & _SEGMENT], self._entries[head & _SEGMENT]
        at = bisect_left(hashes, head)
        if at < len(hashes) and hashes[at] == head:
            same = entries[at] >> _TIME_BITS == check
            entries[at] = check << _TIME_BITS | (max(time, entries[at] & _TIME) if same else time)
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


def _check(name: bytes) -> int:
    """22 bits of the name's SHA-256."""
    return int.from_bytes(cancellation_hash(name)[:3]) >> 2


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
