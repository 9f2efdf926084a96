"""What is stored of the addresses that a batch's messages may go to: one statement for all of them, and none
where no tenant suppresses anything on their channels."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.intents import Intent
from tocsin.database import Database
from tocsin.kafka import ConsumerRecord
from tocsin.router.policy import (
    NOT_SUPPRESSED,
    UNKNOWN,
    StoredRecipient,
    SuppressedAddresses,
    Suppression,
    recipient_of,
)
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.dedupe import BatchItem
from tocsin.router.worker.load import StoredRecipients
from tocsin.router.worker.parse import PendingIntent

AddressKey = tuple[str, str, str]
"""Tenant, channel, hash of the address under one of the keys."""


class FindsSuppressions(Protocol):
    """What of `StoredSuppressions` is used here."""

    async def find(self, addresses: Collection[AddressKey]) -> Mapping[AddressKey, Sequence[Suppression]]:
        """What is stored of each; those of which nothing is stored are left out."""
        ...


async def suppressed_addresses(
    items: Iterable[tuple[ConsumerRecord, BatchItem]],
    suppressions: FindsSuppressions,
    stored: StoredRecipients,
    context: BatchContext,
) -> SuppressedAddresses:
    """What is stored of every address that an intent of the batch may go to. It is read after the recipients' versions: whatever is suppressed
    later raises a version, and the job is decided again."""
    comparable_of: dict[AddressKey, str] = {}
    for _, item in items:
        if not isinstance(item, PendingIntent):
            continue
        recipient = stored.get((item.intent.tenant, item.intent.recipient), UNKNOWN)
        if not recipient.suppressed_channels:
            continue
        for channel, address in _addresses(item.intent, recipient, context):
            for address_hash in context.hashes.all_of(address):
                comparable_of[item.intent.tenant, channel, address_hash] = address
        if context.loop_slice.due:
            await context.loop_slice.let_go()
    if not comparable_of:
        return NOT_SUPPRESSED
    by_address: dict[tuple[str, str, str], list[Suppression]] = defaultdict(list)
    for key, rows in (await suppressions.find(comparable_of.keys())).items():
        tenant, channel, _ = key
        by_address[tenant, channel, comparable_of[key]] += rows
    return by_address


def _addresses(intent: Intent, stored: StoredRecipient, context: BatchContext) -> Iterator[tuple[str, str]]:
    """Each channel on which the tenant suppresses anything, with each address, in its comparable form, that a decision about the intent may choose."""
    recipient = recipient_of(intent.recipient, stored, intent.private.inline)
    published = context.directory.workflow(intent.tenant, intent.workflow)
    if recipient is None or published is None:
        return
    if intent.delivery is not None:
        channels = {intent.delivery.channel}
    else:
        channels = {channel for step in published.workflow.steps for channel in step.channels}
    for channel in channels & CHANNELS.keys() & set(stored.suppressed_channels):
        kind = CHANNELS[channel].address
        for destination in kind.destinations(recipient):
            yield channel, kind.comparable(destination.address)


# One look into the index for each hash: OFFSET keeps PostgreSQL from joining as it likes, which is to read the whole table for 2,000 hashes.
FIND: Final = """
SELECT asked.tenant, asked.channel, asked.address_hash, stored.*
FROM unnest($1::text[], $2::text[], $3::text[]) AS asked(tenant, channel, address_hash)
CROSS JOIN LATERAL (
    SELECT s.category, s.cause, s.source, s.created_at, s.until, s.spares_required FROM directory.suppressions s
    WHERE s.tenant = asked.tenant AND s.channel = asked.channel AND s.address_hash = asked.address_hash OFFSET 0
) AS stored
"""


class StoredSuppressions:
    """Of one database."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def find(self, addresses: Collection[AddressKey]) -> Mapping[AddressKey, Sequence[Suppression]]:
        """What is stored of each; those of which nothing is stored are left out."""
        found: dict[AddressKey, list[Suppression]] = defaultdict(list)
        async with self._database.driver("SELECT directory.suppressions") as connection:
            rows = await connection.fetch(FIND, *map(list, zip(*addresses, strict=True)))
        for tenant, channel, address_hash, category, cause, source, since, until, spares in rows:
            found[tenant, channel, address_hash].append(
                Suppression(address_hash, category, cause, source, since, until, spares)
            )
        return found
