"""A workflow's own limit: at most so many notifications in so long a time for one recipient. Asked once per batch.

Like a claim it commits before the Kafka transaction begins. An answer once given to a notification binds: who was let in is let in again,
so a re-run counts nobody twice.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
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


Held = Mapping[str, datetime]
"""Who was let in, and when they are due."""


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
    inside = await throttles.ask(asked)
    return {each.notification_id for each in asked}.difference(inside)


def _asked(intent: Intent, limit: int, seconds: int) -> ThrottleAsked:
    key = throttle_key(
        tenant=intent.tenant, workflow=intent.workflow, recipient=intent.recipient, test=intent.test
    )
    return ThrottleAsked(key, intent.notification_id, intent.due_at or intent.event_time, limit, seconds)


def let_in(held: Held, asked: Sequence[ThrottleAsked]) -> tuple[Held, set[str]]:
    """Who of one key is let in, in the order in which they ask, and what is held afterwards.

    Nobody is let in who would be one too many in any window. Who was let in is dropped two windows before all who ask, and not earlier: so
    all who are let in together stand in the row when their batch runs again, and times may run back by a window from batch to batch.
    """
    earliest = min(each.at - 2 * timedelta(seconds=each.seconds) for each in asked)
    kept = {notification: at for notification, at in held.items() if at > earliest}
    inside: set[str] = set()
    for each in asked:
        window = timedelta(seconds=each.seconds)
        if (
            each.notification_id in kept
            or sum(abs(at - each.at) < window for at in kept.values()) < each.limit
        ):
            kept.setdefault(each.notification_id, each.at)
            inside.add(each.notification_id)
    return kept, inside


# Whoever asks holds the row until it is written: the statement makes it or locks it, in one order for all batches.
_LOCK: Final = """
INSERT INTO directory.throttles AS standing (key, most, seconds, ends_at)
SELECT key, max(most), max(seconds), greatest(max(at), now()) + make_interval(secs => 2 * max(seconds))
FROM unnest($1::bytea[], $2::timestamptz[], $3::int[], $4::int[]) AS asked(key, at, most, seconds)
GROUP BY key ORDER BY key
ON CONFLICT (key) DO UPDATE SET most = excluded.most, seconds = excluded.seconds, ends_at = greatest(standing.ends_at, excluded.ends_at)
RETURNING key, ids, times
"""
_WRITE: Final = "UPDATE directory.throttles SET ids = $2::uuid[], times = $3::timestamptz[] WHERE key = $1"
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
        by_key: dict[bytes, list[ThrottleAsked]] = {}
        for each in asked:
            by_key.setdefault(each.key, []).append(each)
        inside: set[str] = set()
        changed: list[tuple[bytes, list[UUID], list[datetime]]] = []
        async with (
            self._database.driver("INSERT directory.throttles") as connection,
            connection.transaction(),
        ):
            columns = zip(*((each.key, each.at, each.limit, each.seconds) for each in asked), strict=True)
            for row in await connection.fetch(_LOCK, *map(list, columns)):
                key = bytes(row["key"])
                before = dict(zip(map(str, row["ids"] or ()), row["times"] or (), strict=True))
                held, of_key = let_in(before, by_key[key])
                inside |= of_key
                if held != before:
                    changed.append((key, [UUID(each) for each in held], list(held.values())))
            await connection.executemany(_WRITE, changed)
        return inside

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, at_most)
        return int(str(answer).rpartition(" ")[2])
