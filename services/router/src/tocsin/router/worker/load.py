"""The third step: everything the batch's decisions look at. Recipients are read in one query, whatever their number."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from tocsin.contracts.channels import ADDRESS_FIELDS, CHANNELS
from tocsin.contracts.recipients import ChatPlace, Device
from tocsin.database import Database
from tocsin.kafka import ConsumerRecord
from tocsin.router.policy import (
    NOT_SUPPRESSED,
    UNKNOWN,
    DecisionInput,
    Preference,
    StoredRecipient,
    SuppressedAddresses,
)
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.cancellations import CancellationTimes, cancelled_at
from tocsin.router.worker.dedupe import BatchItem
from tocsin.router.worker.parse import PendingIntent
from tocsin.router.worker.recipients import recipient_id

RecipientKey = tuple[str, str]
"""(tenant, recipient)."""
StoredRecipients = Mapping[RecipientKey, StoredRecipient]


class LoadsRecipients(Protocol):
    """What of `RecipientLoader` is used here."""

    async def load(self, recipients: Collection[RecipientKey]) -> StoredRecipients:
        """What is stored of each, known or not, in one query."""
        ...


async def load(
    items: Iterable[tuple[ConsumerRecord, BatchItem]], loader: LoadsRecipients
) -> StoredRecipients:
    """What is stored of the recipients and actors of all intents to decide."""
    asked: set[RecipientKey] = set()
    for _, item in items:
        if isinstance(item, PendingIntent):
            intent = item.intent
            asked.add((intent.tenant, intent.recipient))
            if intent.private.actor is not None:
                asked.add((intent.tenant, recipient_id(intent.private.actor)))
    return await loader.load(asked)


def decision_input(
    pending: PendingIntent,
    stored: StoredRecipients,
    kept: CancellationTimes,
    context: BatchContext,
    *,
    throttled: bool = False,
    next_day: datetime | None = None,
    suppressed: SuppressedAddresses = NOT_SUPPRESSED,
) -> DecisionInput:
    """What the decision of this intent may look at: what was loaded, and the directory as it is now."""
    intent, directory = pending.intent, context.directory
    published = directory.workflow(intent.tenant, intent.workflow)
    workflow = published.workflow if published else None
    actor = intent.private.actor
    return DecisionInput(
        intent=intent,
        claim=pending.claim,
        again=pending.again,
        throttled=throttled,
        next_day=next_day,
        suppressed=suppressed,
        now=context.now,
        cancelled_at=cancelled_at(intent, context.cancellations, kept),
        stored=stored.get((intent.tenant, intent.recipient), UNKNOWN),
        stored_actor=stored.get((intent.tenant, recipient_id(actor)), UNKNOWN) if actor is not None else None,
        tenant=directory.tenant(intent.tenant),
        workflow=workflow,
        category=directory.category(intent.tenant, workflow.category) if workflow else None,
        templates=directory.templates(intent.tenant, intent.workflow),
        decoded_data=pending.decoded_data,
        endpoints=directory.endpoints(intent.tenant, intent.event_type),
    )


# On which channels a tenant suppresses anything is one look into an index for each of them, once a batch. It is ordered so that PostgreSQL takes the
# index: with EXISTS, or without an order, it reads the whole table for a tenant that suppresses nothing, as soon as most rows are another's.
QUERY: Final = """
SELECT asked.tenant, asked.recipient, r.id IS NOT NULL AS known, r.email, r.phone, r.locale, r.time_zone,
       r.attributes::text AS attributes, r.chats::text AS chats, coalesce(v.version, 0) AS version,
       CASE WHEN r.id IS NOT NULL THEN (
           SELECT json_agg(json_build_array(d.id, d.token, d.kind, d.app) ORDER BY d.id)::text
           FROM directory.devices d WHERE d.tenant = asked.tenant AND d.recipient = asked.recipient
       ) END AS devices,
       (
           SELECT json_agg(
               json_build_array(p.channel, p.category, p.workflow, p.enabled, p.source, p.changed_at)
           )::text
           FROM directory.preferences p WHERE p.tenant = asked.tenant AND p.recipient = asked.recipient
       ) AS preferences,
       suppressing.channels AS suppressed_channels
FROM unnest($1::text[], $2::text[]) AS asked(tenant, recipient)
LEFT JOIN directory.recipients r ON r.tenant = asked.tenant AND r.id = asked.recipient
LEFT JOIN directory.recipient_versions v ON v.tenant = asked.tenant AND v.recipient = asked.recipient
LEFT JOIN (
    SELECT each.tenant, array_agg(each.channel) AS channels
    FROM (SELECT tenant, channel FROM (SELECT DISTINCT unnest($1::text[]) AS tenant) AS tenants, unnest($3::text[]) AS channel) AS each
    WHERE (
        SELECT true FROM directory.suppressions s
        WHERE s.tenant = each.tenant AND s.channel = each.channel ORDER BY s.address_hash LIMIT 1
    )
    GROUP BY each.tenant
) AS suppressing ON suppressing.tenant = asked.tenant
"""
CHANNEL_NAMES: Final = list(CHANNELS)

_object = msgspec.json.Decoder(dict[str, Any]).decode
_devices = msgspec.json.Decoder(list[tuple[str, str, str, str | None]]).decode
_chats = msgspec.json.Decoder(tuple[ChatPlace, ...]).decode
_preferences = msgspec.json.Decoder(tuple[Preference, ...]).decode


class RecipientLoader:
    """Reads in one statement, so that a recipient's version and what it stands for are of one moment."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def load(self, recipients: Collection[RecipientKey]) -> StoredRecipients:
        """What is stored of each, known or not."""
        if not recipients:
            return {}
        tenants = [tenant for tenant, _ in recipients]
        ids = [recipient for _, recipient in recipients]
        async with self._database.driver("SELECT directory.recipients") as connection:
            rows = await connection.fetch(QUERY, tenants, ids, CHANNEL_NAMES)
        return {(row["tenant"], row["recipient"]): _stored(row) for row in rows}


def _stored(row: Any) -> StoredRecipient:
    attributes, devices, preferences = row["attributes"], row["devices"], row["preferences"]
    chats = row["chats"]
    return StoredRecipient(
        known=row["known"],
        version=row["version"],
        **{field: row[field] for field in ADDRESS_FIELDS},
        locale=row["locale"],
        time_zone=row["time_zone"],
        attributes=_object(attributes) if attributes and attributes != "{}" else {},
        devices=tuple(
            Device(id=i, token=token, kind=kind, app=app) for i, token, kind, app in _devices(devices)
        )
        if devices
        else (),
        chats=_chats(chats) if chats and chats != "[]" else (),
        preferences=_preferences(preferences) if preferences else (),
        suppressed_channels=row["suppressed_channels"] or (),
    )
