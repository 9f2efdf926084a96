"""Which record an event's identity belongs to: the claims table, asked once per batch, in one order for all.

One statement, committed before the Kafka transaction begins: a record that died after its claim finds it on its re-run.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.database import Database
from tocsin.observability import get_logger

log = get_logger(__name__)

# A claim that stands is written again as it stands: only so does the statement return it, and return the one that another
# transaction committed meanwhile, which no snapshot of this one holds.
_CLAIM: Final = """
INSERT INTO directory.claims AS standing (key, record, claimed_at)
SELECT key, record, now() FROM unnest($1::bytea[], $2::text[]) AS asked(key, record) ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    record = CASE WHEN standing.claimed_at < now() - make_interval(secs => $3) THEN excluded.record ELSE standing.record END,
    claimed_at = CASE WHEN standing.claimed_at < now() - make_interval(secs => $3) THEN now() ELSE standing.claimed_at END
RETURNING key, record
"""
_EXPIRED: Final = """
DELETE FROM directory.claims WHERE key IN (
    SELECT key FROM directory.claims WHERE claimed_at < now() - make_interval(secs => $1)
    ORDER BY claimed_at LIMIT $2 FOR UPDATE SKIP LOCKED
) AND claimed_at < now() - make_interval(secs => $1)
"""


class Claims:
    """`window`: seconds for which an identity belongs to the record that claimed it."""

    def __init__(self, *, database: Database, window: float) -> None:
        self._database = database
        self._window = window

    async def claim(self, asked: Iterable[tuple[bytes, str]]) -> Mapping[bytes, str]:
        """For each key the record it belongs to, committed. Of equal keys in `asked`, the first record asks."""
        first: dict[bytes, str] = {}
        for key, record in asked:
            first.setdefault(key, record)
        if not first:
            return first
        keys = sorted(
            first
        )  # one order for all batches: two that claim the same keys cannot wait for each other
        async with self._database.driver() as connection:
            rows = await connection.fetch(_CLAIM, keys, [first[key] for key in keys], self._window)
        return {bytes(row["key"]): row["record"] for row in rows}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, self._window, at_most)
        return int(str(answer).rpartition(" ")[2])
