"""Cancellations in the router: what is kept of them for as long as anything may wait, and whether one reaches an intent.

The topic `cancels` is kept for a week, which outlives every record but a timer's. So each cancellation is also a row, from before the
Kafka transaction that publishes it until nothing can wait any more that it could reach. The rows are asked only for what names a
due time; of all else the copy of the topic knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from tocsin.contracts.cancellations import Cancellation, cancellation_hash, names_of
from tocsin.contracts.intents import Intent
from tocsin.database import Database
from tocsin.kafka import Cancellations

CancellationTimes = Mapping[bytes, datetime]
"""The hash of a cancellation → when it was requested."""
KEPT_MONTHS: Final = 13
"""A message may be due a year after its event: a month more, and nothing is left to cancel."""


class StoresCancellations(Protocol):
    """What of `CancellationRows` is used here."""

    async def store(self, cancellations: Sequence[Cancellation]) -> None:
        """Keep them; committed."""
        ...

    async def requested(self, hashes: Sequence[bytes]) -> CancellationTimes:
        """Those of these hashes that are kept."""
        ...


async def times_kept(intents: Iterable[Intent], rows: StoresCancellations) -> CancellationTimes:
    """What the rows say of the intents that name a due time: one statement, or none."""
    asked = {
        cancellation_hash(name)
        for intent in intents
        if intent.due_at is not None
        for name, _ in names_of(intent)
    }
    return await rows.requested(sorted(asked)) if asked else {}


def cancelled_at(intent: Intent, copy: Cancellations, kept: CancellationTimes) -> datetime | None:
    """When what the intent asks for was cancelled; None if it was not."""
    if (at := copy.of(intent)) is not None or not kept:
        return at
    for name, tolerance in names_of(intent):
        requested_at = kept.get(cancellation_hash(name))
        if requested_at is not None and requested_at > intent.event_time - tolerance:
            return requested_at
    return None


# A cancellation that is requested again reaches further; one that is processed again changes nothing.
_STORE: Final = """
INSERT INTO directory.cancellations AS standing (hash, requested_at)
SELECT hash, requested_at FROM unnest($1::bytea[], $2::timestamptz[]) AS asked(hash, requested_at) ORDER BY hash
ON CONFLICT (hash) DO UPDATE SET requested_at = excluded.requested_at
WHERE standing.requested_at < excluded.requested_at
"""
_REQUESTED: Final = "SELECT hash, requested_at FROM directory.cancellations WHERE hash = ANY ($1::bytea[])"
_EXPIRED: Final = """
DELETE FROM directory.cancellations WHERE hash IN (
    SELECT hash FROM directory.cancellations WHERE requested_at < now() - make_interval(months => $1)
    ORDER BY requested_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class CancellationRows:
    """The rows: 16 bytes of hash and a time, a cancellation each."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def store(self, cancellations: Sequence[Cancellation]) -> None:
        """Keep them; committed. The latest request of the same cancellation stands."""
        latest: dict[bytes, datetime] = {}
        for each in cancellations:
            latest[each.hash] = max(each.requested_at, latest.get(each.hash, each.requested_at))
        if not latest:
            return
        hashes = sorted(latest)  # one order for all batches: two of them cannot wait for each other
        async with self._database.driver("INSERT directory.cancellations") as connection:
            await connection.execute(_STORE, hashes, [latest[each] for each in hashes])

    async def requested(self, hashes: Sequence[bytes]) -> CancellationTimes:
        """Those of these hashes that are kept."""
        async with self._database.driver("SELECT directory.cancellations") as connection:
            rows = await connection.fetch(_REQUESTED, hashes)
        return {bytes(row["hash"]): row["requested_at"] for row in rows}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some that can reach nothing any more; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, KEPT_MONTHS, at_most)
        return int(str(answer).rpartition(" ")[2])
