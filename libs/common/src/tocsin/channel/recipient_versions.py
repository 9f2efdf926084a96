"""The `stops` topic in memory: the newest version of every recipient who has had something taken away.

There may be millions of recipients, so an entry takes 16 bytes: 8 of the key's hash, 5 of the version, 3 of the hour in which it
was raised. Entries lie in sorted arrays, 4,096 of them, chosen by the hash. An insertion moves a few kilobytes, and nothing is
ever built anew, so the event loop is not held up while the table grows.

Keys themselves are not kept, so two recipients may share an entry. That errs on the side of rechecking: the entry keeps the greater
version and the later hour, and a tombstone ends it only if its hour lies so far back that every job decided under an earlier version
is rechecked for its age. How likely it is: of ten million recipients, two share an entry in one process of 370,000. Each process has
hashes of its own, so a recipient who shares an entry in one shares none in the next.
"""

from array import array
from bisect import bisect_left
from typing import Final

from tocsin.contracts.stops import HOUR_MS, RECHECK_AFTER_MS, decode_stop
from tocsin.kafka import ConsumerRecord

_SEGMENT: Final = 0xFFF
"""Mask: the bits of a hash that choose its segment."""
_HOUR_BITS: Final = 24
_HOUR: Final = (1 << _HOUR_BITS) - 1


class RecipientVersions:
    """Fed by a `Replica` of `stops`; asked immediately before every hand-off."""

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_SEGMENT + 1)]
        self._entries = [array("Q") for _ in range(_SEGMENT + 1)]
        """Beside each hash: the version, and in the lowest `_HOUR_BITS` the hour since 1970 at whose end it had been raised."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def apply(self, record: ConsumerRecord) -> None:
        """Take in one record; a tombstone ends the entry. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        if record.key is None:
            return
        if record.value is None:
            self._forget(hash(record.key), hour=(record.timestamp_ms - RECHECK_AFTER_MS) // HOUR_MS)
            return
        version, raised_at = decode_stop(record.value)
        self._raise(hash(record.key), version, hour=raised_at * 1000 // HOUR_MS + 1)

    def is_stale(self, recipient: bytes, *, version: int) -> bool:
        """Whether something was taken away after `version` from the recipient who has this key (see `recipient_key`)."""
        key_hash = hash(recipient)
        hashes = self._hashes[key_hash & _SEGMENT]
        at = bisect_left(hashes, key_hash)
        if at == len(hashes) or hashes[at] != key_hash:
            return False
        return self._entries[key_hash & _SEGMENT][at] >> _HOUR_BITS > version

    def _raise(self, key_hash: int, version: int, *, hour: int) -> None:
        hashes, entries = self._hashes[key_hash & _SEGMENT], self._entries[key_hash & _SEGMENT]
        at = bisect_left(hashes, key_hash)
        if at < len(hashes) and hashes[at] == key_hash:
            version, hour = max(version, entries[at] >> _HOUR_BITS), max(hour, entries[at] & _HOUR)
            entries[at] = version << _HOUR_BITS | hour
            return
        hashes.insert(at, key_hash)
        entries.insert(at, version << _HOUR_BITS | hour)
        self._count += 1

    def _forget(self, key_hash: int, *, hour: int) -> None:
        """End the entry, unless it was raised after this hour: then the tombstone is another recipient's, or came early."""
        hashes, entries = self._hashes[key_hash & _SEGMENT], self._entries[key_hash & _SEGMENT]
        at = bisect_left(hashes, key_hash)
        if at < len(hashes) and hashes[at] == key_hash and entries[at] & _HOUR <= hour:
            del hashes[at], entries[at]
            self._count -= 1
