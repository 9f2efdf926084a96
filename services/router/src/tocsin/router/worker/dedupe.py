"""The second step: which event came before. The claims table is asked once per batch, in one order for all.

One statement, committed before the Kafka transaction begins: a record that died after its claim finds it on its re-run.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

import msgspec

from tocsin.contracts.events import Event
from tocsin.contracts.ids import REDRIVE_SOURCE, claim_key, recipient_key
from tocsin.contracts.vocabulary import ClaimOutcome
from tocsin.database import Database
from tocsin.kafka import ConsumerRecord, partition_for
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.intents import intent_for
from tocsin.router.worker.matching import RefusedEvent
from tocsin.router.worker.parse import (
    CancellationEvent,
    EventPlan,
    FanOutRest,
    ParsedRecord,
    PendingIntent,
    RedrivenItem,
    ToldAgain,
    UnreadableRecord,
)
from tocsin.router.worker.recipients import recipient_id


class Claim(msgspec.Struct, frozen=True):
    """Who claims an identity, and with what data."""

    record: str
    data_hash: int
    """8 bytes of SHA-256 over the bytes of the event's data, as PostgreSQL's bigint holds them."""


class DuplicateEvent(NamedTuple):
    """An event whose identity belongs to another record."""

    plan: EventPlan
    owner: str
    other_data: bool
    """Whether the event's data differ from those of the record that the identity belongs to."""


class DuplicateCancellation(NamedTuple):
    """A cancellation whose event's identity belongs to another record: what was stored between the two is not cancelled."""

    event: Event
    owner: str
    origin: str
    """The record of the event."""


class RepeatedRedrive(NamedTuple):
    """What a re-drive asks for, and another record of the same re-drive has asked for before. Nothing follows from it."""


BatchItem = (
    EventPlan
    | CancellationEvent
    | RefusedEvent
    | FanOutRest
    | PendingIntent
    | UnreadableRecord
    | DuplicateEvent
    | DuplicateCancellation
    | RepeatedRedrive
    | ToldAgain
)
"""What is to be done about a record: a `PendingIntent` is decided, all else is written as it is."""


class ClaimsIdentities(Protocol):
    """What of `Claims` is used here."""

    async def claim(self, asked: Iterable[tuple[bytes, Claim]]) -> Mapping[bytes, Claim]:
        """For each key the claim that stands, committed."""
        ...


async def dedupe(
    parsed: Sequence[tuple[ConsumerRecord, ParsedRecord]], claims: ClaimsIdentities, context: BatchContext
) -> list[tuple[ConsumerRecord, BatchItem]]:
    """Each event that triggers a workflow, or cancels, claims its identity. If the identity belongs to another record, the event is a
    duplicate; else it becomes its one intent where that may be decided at once."""
    asked = [_claim_of(record.ref, item.event) if _claims(item) else None for record, item in parsed]
    of_redrives = [
        claim
        for record, item in parsed
        if isinstance(item, RedrivenItem)
        for claim in _claims_of(record, item)
    ]
    standing = await claims.claim([*(claim for claim in asked if claim is not None), *of_redrives])
    items: list[tuple[ConsumerRecord, BatchItem]] = []
    for (record, item), own in zip(parsed, asked, strict=True):
        if isinstance(item, RedrivenItem):
            items.append((record, _redriven(record, item, standing)))
            continue
        if own is None or not _claims(item):
            items.append((record, item))
            continue
        key, claim = own
        owner = standing[key]
        if isinstance(item, CancellationEvent):
            items.append((record, _unless_duplicate(item, owner, claim)))
        elif owner.record != claim.record:
            items.append((record, DuplicateEvent(item, owner.record, owner.data_hash != claim.data_hash)))
        elif _at_once(record, item, context):
            match, cause = item.matches[0], claim.record
            intent = intent_for(item, match, match.recipients[0], origin=cause, cause=cause)
            items.append((record, PendingIntent(intent, ClaimOutcome.CLAIMED, match.decoded_data)))
        else:
            items.append((record, item))
    return items


def _claims(item: ParsedRecord | ToldAgain) -> TypeGuard[EventPlan | CancellationEvent]:
    """Whether its event's identity is claimed."""
    return isinstance(item, CancellationEvent) or (isinstance(item, EventPlan) and bool(item.matches))


def _claim_of(record: str, event: Event) -> tuple[bytes, Claim]:
    """The key of the event's identity, and what the record claims under it."""
    key = claim_key(tenant=event.tenant, source=event.source, event_id=event.id)
    return key, Claim(record, int.from_bytes(sha256(event.data).digest()[:8], signed=True))


def _claims_of(record: ConsumerRecord, redriven: RedrivenItem) -> list[tuple[bytes, Claim]]:
    """What is sent again belongs to the first record of its re-drive. An event belongs to its own record, as if that had been taken."""
    claims = [(_redrive_key(redriven), Claim(record.ref, 0))]
    if _claims(redriven.item):
        claims.append(_claim_of(_origin_of(redriven.item, record), redriven.item.event))
    return claims


def _origin_of(item: EventPlan | CancellationEvent, record: ConsumerRecord) -> str:
    """The record of the event, which brought itself here unless another record did."""
    if isinstance(item, CancellationEvent):
        return item.cancellation.origin
    return item.origin or record.ref


def _unless_duplicate(
    item: CancellationEvent, owner: Claim, claim: Claim
) -> CancellationEvent | DuplicateCancellation:
    if owner.record == claim.record:
        return item
    return DuplicateCancellation(item.event, owner.record, item.cancellation.origin)


def _redrive_key(redriven: RedrivenItem) -> bytes:
    source = REDRIVE_SOURCE + redriven.redrive
    return claim_key(tenant=redriven.tenant, source=source, event_id=redriven.subject)


def _redriven(record: ConsumerRecord, redriven: RedrivenItem, standing: Mapping[bytes, Claim]) -> BatchItem:
    """What is to be done, unless it was done: for this re-drive, or because the event came again meanwhile."""
    if standing[_redrive_key(redriven)].record != record.ref:
        return RepeatedRedrive()
    item = redriven.item
    if _claims(item):
        key, claim = _claim_of(_origin_of(item, record), item.event)
        owner = standing[key]
        if isinstance(item, CancellationEvent):
            return _unless_duplicate(item, owner, claim)
        if owner.record != claim.record:
            return DuplicateEvent(item, owner.record, owner.data_hash != claim.data_hash)
    return item


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
INSERT INTO directory.claims AS standing (key, record, data_hash, claimed_at)
SELECT key, record, data_hash, now()
FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS asked(key, record, data_hash) ORDER BY key
ON CONFLICT (key) DO UPDATE SET (record, data_hash, claimed_at) = (
    SELECT CASE WHEN over THEN excluded.record ELSE standing.record END,
        CASE WHEN over THEN excluded.data_hash ELSE standing.data_hash END,
        CASE WHEN over THEN now() ELSE standing.claimed_at END
    FROM (SELECT standing.claimed_at < now() - make_interval(secs => $4)) AS window_(over)
)
RETURNING key, record, data_hash
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

    async def claim(self, asked: Iterable[tuple[bytes, Claim]]) -> Mapping[bytes, Claim]:
        """For each key the claim that stands, committed. Of equal keys in `asked`, the first record asks."""
        first: dict[bytes, Claim] = {}
        for key, claim in asked:
            first.setdefault(key, claim)
        if not first:
            return first
        # One order for all batches: two that claim the same keys cannot wait for each other.
        keys = sorted(first)
        async with self._database.driver("INSERT directory.claims") as connection:
            records, hashes = [first[key].record for key in keys], [first[key].data_hash for key in keys]
            rows = await connection.fetch(_CLAIM, keys, records, hashes, self._window)
        return {bytes(row["key"]): Claim(row["record"], row["data_hash"]) for row in rows}

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows whose window has passed; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, self._window, at_most)
        return int(str(answer).rpartition(" ")[2])
