"""Which record an event's identity belongs to: the claims table, asked once per batch, in one order for all.

Two statements, then commit, and only then the Kafka transaction: a record that died after its claim finds it on its re-run.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.database import Database
from tocsin.observability import get_logger

log = get_logger(__name__)

_CLAIM: Final = """
INSERT INTO directory.claims (key, record, claimed_at)
SELECT key, record, now() FROM unnest($1::bytea[], $2::text[]) AS asked(key, record) ORDER BY key
ON CONFLICT (key) DO UPDATE SET record = excluded.record, claimed_at = excluded.claimed_at
WHERE claims.claimed_at < now() - make_interval(secs => $3)
"""
_STANDING: Final = "SELECT key, record FROM directory.claims WHERE key = ANY($1::bytea[])"
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
        async with self._database.driver() as connection, connection.transaction():
            await connection.execute(_CLAIM, keys, [first[key] for key in keys], self._window)
            rows = await connection.fetch(_STANDING, keys)
        return {bytes(row["key"]): row["record"] for row in rows}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, self._window, at_most)
        return int(str(answer).rpartition(" ")[2])
