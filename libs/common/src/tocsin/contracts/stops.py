"""What must not go out any more: recipients' versions, read whole by every dispatcher (topic `stops`, compacted).

There may be millions of them, so a record is binary. Its key is `tenant/recipient`; its value, in network byte order:

| bytes | what |
|---|---|
| 0 | the layout: 1 |
| 1 to 8 | the recipient's version, unsigned |
| 9 to 12 | when it was raised, in seconds since 1970, unsigned |

Bytes behind these are a later release's and are ignored. A record without value ends the entry: 8 days after a version was
raised no job decided before can still be sent (`RECHECK_AFTER_MS`). `tests/contract/stops.json` holds vectors.
"""

from struct import Struct
from typing import Final, NamedTuple

import msgspec

HOUR_MS: Final = 3_600_000
RECHECK_AFTER_MS: Final = 7 * 24 * HOUR_MS
"""A job whose record is older goes back to be decided again, whatever its version: `stops` may have forgotten the recipient."""
FORGET_AFTER_MS: Final = 8 * 24 * HOUR_MS
"""After this time the record of a version is ended. A day longer than `RECHECK_AFTER_MS`: clocks differ, and tombstones travel."""

_LAYOUT: Final = 1
_VALUE: Final = Struct("!BQI")


class RecipientVersion(NamedTuple):
    """Raised by each change that takes something away from a recipient: a job decided under a smaller one is rechecked."""

    version: int
    raised_at: int
    """Seconds since 1970."""


def encode_stop(stop: RecipientVersion) -> bytes:
    """The value of a record of `stops`."""
    return _VALUE.pack(_LAYOUT, stop.version, stop.raised_at)


def decode_stop(value: bytes) -> RecipientVersion:
    """What the value of a record of `stops` says. Raises msgspec.ValidationError for a layout that this release does not know."""
    if len(value) < _VALUE.size or value[0] != _LAYOUT:
        raise msgspec.ValidationError("The value is no recipient's version")
    return RecipientVersion(*_VALUE.unpack_from(value)[1:])
