"""A workflow's own limit: at most so many notifications in so long a time for one recipient. Asked once per batch.

Like a claim it commits before the Kafka transaction begins. An answer once given to a notification binds: who was let in is let in again,
so a re-run counts nobody twice.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from tocsin.contracts.ids import throttle_key
from tocsin.contracts.intents import Intent
from tocsin.database import Database
from tocsin.kafka import ConsumerRecord
from tocsin.router.policy import counts_for_a_limit, ends_by_time
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.cancellations import CancellationTimes
from tocsin.router.worker.dedupe import BatchItem
from tocsin.router.worker.load import StoredRecipients, decision_input
from tocsin.router.worker.parse import PendingIntent


class ThrottleAsked(NamedTuple):
    """One notification that wants to be let in."""

    key: bytes
    notification_id: str
    at: datetime
    """When it is due, or the broker stored its event: the same in every re-run."""
    limit: int
    seconds: int


class AsksThrottles(Protocol):
    """What of `Throttles` is used here."""

    async def ask(self, asked: Sequence[ThrottleAsked]) -> Collection[str]:
        """The notifications that are let in, committed."""
        ...


async def ask_throttles(
    items: Iterable[tuple[ConsumerRecord, BatchItem]],
    throttles: AsksThrottles,
    stored: StoredRecipients,
    kept: CancellationTimes,
    context: BatchContext,
) -> Collection[str]:
    """The notifications of the batch that are kept out by their workflow's limit. What is decided again was let in before, and what is
    past its expiry or cancelled takes nobody's place."""
    asked: list[ThrottleAsked] = []
    for _, item in items:
        if isinstance(item, PendingIntent) and counts_for_a_limit(item.intent, item.again):
            published = context.directory.workflow(item.intent.tenant, item.intent.workflow)
            throttle = published.workflow.throttle if published else None
            if throttle is not None and not ends_by_time(decision_input(item, stored, kept, context)):
                asked.append(_asked(item.intent, throttle.limit, throttle.seconds))
    if not asked:
        return ()
    let_in = await throttles.ask(asked)
    return {each.notification_id for each in asked}.difference(let_in)


def _asked(intent: Intent, limit: int, seconds: int) -> ThrottleAsked:
    key = throttle_key(
        tenant=intent.tenant, workflow=intent.workflow, recipient=intent.recipient, test=intent.test
    )
    return ThrottleAsked(key, intent.notification_id, intent.due_at or intent.event_time, limit, seconds)


# Whoever is held within the window stays; then come the new ones in their order, for as long as there is room.
_ASK: Final = """
INSERT INTO directory.throttles AS held (key, ids, times, most, seconds, ends_at)
SELECT key, (array_agg(id ORDER BY number))[1:max(most)], (array_agg(at ORDER BY number))[1:max(most)], max(most), max(seconds),
    max(at) + make_interval(secs => max(seconds))
FROM unnest($1::bytea[], $2::uuid[], $3::timestamptz[], $4::int[], $5::int[]) WITH ORDINALITY AS asked(key, id, at, most, seconds, number)
GROUP BY key ORDER BY key
ON CONFLICT (key) DO UPDATE SET (ids, times, most, seconds, ends_at) = (
    SELECT array_agg(id ORDER BY number), array_agg(at ORDER BY number), excluded.most, excluded.seconds,
        greatest(held.ends_at, excluded.ends_at)
    FROM (
        SELECT id, at, number FROM (
            SELECT id, at, number FROM unnest(held.ids, held.times) WITH ORDINALITY AS before(id, at, number)
            WHERE at > excluded.times[1] - make_interval(secs => excluded.seconds)
            UNION ALL
            SELECT id, at, number + 1000000 FROM unnest(excluded.ids, excluded.times) WITH ORDINALITY AS new(id, at, number)
            WHERE id <> ALL (held.ids)
        ) AS all_of_them ORDER BY number LIMIT excluded.most
    ) AS let_in
)
RETURNING ids
"""
_EXPIRED: Final = """
DELETE FROM directory.throttles WHERE key IN (
    SELECT key FROM directory.throttles WHERE ends_at < now() ORDER BY ends_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AND ends_at < now()
"""


class Throttles:
    """Of one database."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def ask(self, asked: Sequence[ThrottleAsked]) -> Collection[str]:
        """The notifications that are let in, committed."""
        ids = [UUID(each.notification_id) for each in asked]
        async with self._database.driver() as connection:
            rows = await connection.fetch(
                _ASK,
                [each.key for each in asked],
                ids,
                [each.at for each in asked],
                [each.limit for each in asked],
                [each.seconds for each in asked],
            )
        held = {held_id for row in rows for held_id in row["ids"] or ()}
        return {str(notification) for notification in ids if notification in held}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, at_most)
        return int(str(answer).rpartition(" ")[2])
