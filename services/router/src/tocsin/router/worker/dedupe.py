"""The second step: which event came before. The claims table is asked once per batch, in one order for all.

One statement, committed before the Kafka transaction begins: a record that died after its claim finds it on its re-run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from tocsin.contracts.ids import claim_key, recipient_key
from tocsin.contracts.vocabulary import ClaimOutcome
from tocsin.database import Database
from tocsin.kafka import ConsumerRecord, partition_for
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.intents import intent_for
from tocsin.router.worker.parse import EventPlan, ParsedRecord, PendingIntent
from tocsin.router.worker.recipients import recipient_id


class DuplicateEvent(NamedTuple):
    """An event whose identity belongs to another record."""

    plan: EventPlan
    owner: str


BatchItem = ParsedRecord | DuplicateEvent
"""What is to be done about a record: a `PendingIntent` is decided, all else is written as it is."""


class ClaimsIdentities(Protocol):
    """What of `Claims` is used here."""

    async def claim(self, asked: Iterable[tuple[bytes, str]]) -> Mapping[bytes, str]:
        """For each key the record it belongs to, committed."""
        ...


async def dedupe(
    parsed: Sequence[tuple[ConsumerRecord, ParsedRecord]], claims: ClaimsIdentities, context: BatchContext
) -> list[tuple[ConsumerRecord, BatchItem]]:
    """Each event that triggers a workflow claims its identity. If the identity belongs to another record, the event is a
    duplicate; else it becomes its one intent where that may be decided at once."""
    keys = [
        claim_key(tenant=item.event.tenant, source=item.event.source, event_id=item.event.id)
        if isinstance(item, EventPlan) and item.matches
        else None
        for _, item in parsed
    ]
    owners = await claims.claim(
        (key, record.ref) for key, (record, _) in zip(keys, parsed, strict=True) if key is not None
    )
    items: list[tuple[ConsumerRecord, BatchItem]] = []
    for key, (record, item) in zip(keys, parsed, strict=True):
        if key is None or not isinstance(item, EventPlan):
            items.append((record, item))
        elif owners[key] != record.ref:
            items.append((record, DuplicateEvent(item, owners[key])))
        elif _at_once(record, item, context):
            match, cause = item.matches[0], record.ref
            intent = intent_for(item, match, match.recipients[0], origin=cause, cause=cause)
            items.append((record, PendingIntent(intent, ClaimOutcome.CLAIMED, match.decoded_data)))
        else:
            items.append((record, item))
    return items


def _at_once(record: ConsumerRecord, plan: EventPlan, context: BatchContext) -> bool:
    """One recipient, in its own partition already, on this lane, by the only workflow that the event triggers."""
    if len(plan.matches) != 1 or plan.refusals:
        return False
    match = plan.matches[0]
    if len(match.recipients) != 1 or match.lane is not context.lane:
        return False
    key = recipient_key(plan.event.tenant, recipient_id(match.recipients[0]))
    return partition_for(key, context.partition_count) == record.partition


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
        # One order for all batches: two that claim the same keys cannot wait for each other.
        keys = sorted(first)
        async with self._database.driver() as connection:
            rows = await connection.fetch(_CLAIM, keys, [first[key] for key in keys], self._window)
        return {bytes(row["key"]): row["record"] for row in rows}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, self._window, at_most)
        return int(str(answer).rpartition(" ")[2])
