"""Entities as other services may know them: a row of the database becomes a record of `directory` or `stops`.

One query a kind; an entity that is absent from the answer has no state and gets a tombstone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, Text, and_, insert, literal, select, tuple_
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import (
    ApiKeyRecord,
    CategoryRecord,
    DirectoryRecord,
    TemplateRecord,
    TenantRecord,
    WorkflowRecord,
)
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion
from tocsin.contracts.topics import Topics
from tocsin.kafka import ProducerRecord
from tocsin.router import tables

RECIPIENT_VERSION = "recipient_version"


class EntityRef(NamedTuple):
    """Which entity: as the outbox names it."""

    kind: str
    tenant: str
    key: tuple[str, ...]


class _Kind(NamedTuple):
    record: type[DirectoryRecord] | type[RecipientVersion]
    query: Select[Any]
    """Columns named as the record's fields, entities without state left out."""
    named_by: tuple[Any, ...]
    """The tenant first, then what names the entity within it."""


_published_template = select(
    *(
        tables.templates.c[name]
        for name in ("tenant", "workflow", "channel", "name", "locale", "revision", "parts")
    )
).join(
    tables.template_pointers,
    and_(
        *(
            tables.templates.c[name] == tables.template_pointers.c[name]
            for name in ("tenant", "workflow", "channel", "name", "locale", "revision")
        )
    ),
)

_KINDS: dict[str, _Kind] = {
    "api_key": _Kind(
        ApiKeyRecord,
        select(
            *(
                tables.api_keys.c[n]
                for n in ("tenant", "id", "name", "mode", "sha256", "scopes", "expires_at")
            )
        ).where(tables.api_keys.c.revoked_at.is_(None)),
        (tables.api_keys.c.tenant, tables.api_keys.c.id),
    ),
    "tenant": _Kind(
        TenantRecord,
        select(
            tables.tenants.c.id.label("tenant"),
            *(tables.tenants.c[n] for n in ("name", "default_locale", "attributes", "senders", "providers")),
        ),
        (tables.tenants.c.id,),
    ),
    "category": _Kind(
        CategoryRecord,
        select(*(tables.categories.c[n] for n in ("tenant", "key", "name", "default", "ttl_seconds"))),
        (tables.categories.c.tenant, tables.categories.c.key),
    ),
    "workflow": _Kind(
        WorkflowRecord,
        select(
            *(
                tables.workflows.c[n]
                for n in (
                    "tenant",
                    "key",
                    "revision",
                    "event_types",
                    "recipients",
                    "category",
                    "lane",
                    "steps",
                    "data_schema",
                )
            )
        ).where(tables.workflows.c.published),
        (tables.workflows.c.tenant, tables.workflows.c.key),
    ),
    "template": _Kind(
        TemplateRecord,
        _published_template,
        (
            tables.templates.c.tenant,
            tables.templates.c.workflow,
            tables.templates.c.channel,
            tables.templates.c.name,
            tables.templates.c.locale,
        ),
    ),
    RECIPIENT_VERSION: _Kind(
        RecipientVersion,
        select(
            tables.recipient_versions.c.tenant,
            tables.recipient_versions.c.recipient,
            tables.recipient_versions.c.version.label("recipient_version"),
        ),
        (tables.recipient_versions.c.tenant, tables.recipient_versions.c.recipient),
    ),
}


async def current_records(
    db: AsyncConnection, refs: Sequence[EntityRef], topics: Topics
) -> dict[EntityRef, ProducerRecord]:
    """For each entity, in the order given, its record as it now stands, or its tombstone."""
    values: dict[EntityRef, bytes] = {}
    for kind in {ref.kind for ref in refs}:
        names = [(ref.tenant, *ref.key) for ref in refs if ref.kind == kind]
        described = _KINDS[kind]
        query = described.query.where(tuple_(*described.named_by).in_(names))
        for row in (await db.execute(query)).mappings():
            fields = {
                str(name): value for name, value in row.items()
            }  # msgspec takes no subclass of str as a key
            record = msgspec.convert(fields, described.record)
            values[_ref_of(record)] = encode(record)
    return {ref: _outgoing(ref, values.get(ref), topics) for ref in refs}


async def queue_all(db: AsyncConnection) -> None:
    """Put every entity that has a state into the outbox."""
    for kind, described in _KINDS.items():
        tenant, *key = described.named_by
        named: array[str] = array(key, type_=Text())
        names = described.query.with_only_columns(literal(kind), tenant, named)
        await db.execute(insert(tables.outbox).from_select(["kind", "tenant", "key"], names))


async def queue(db: AsyncConnection, refs: Sequence[EntityRef]) -> None:
    """Put these entities into the outbox."""
    if refs:
        rows = [{"kind": ref.kind, "tenant": ref.tenant, "key": list(ref.key)} for ref in refs]
        await db.execute(insert(tables.outbox), rows)


def ref_in_directory(key: bytes) -> EntityRef:
    """The entity that a key of topic `directory` names."""
    kind, tenant, *rest = key.decode().split("/")
    return EntityRef(kind, tenant, tuple(rest))


def ref_in_stops(key: bytes) -> EntityRef:
    """The entity that a key of topic `stops` names; a recipient's id may hold slashes, a tenant's may not."""
    tenant, _, recipient = key.decode().partition("/")
    return EntityRef(RECIPIENT_VERSION, tenant, (recipient,))


def _ref_of(record: DirectoryRecord | RecipientVersion) -> EntityRef:
    """What names the entity a record is about."""
    match record:
        case RecipientVersion(tenant=tenant, recipient=recipient):
            return EntityRef(RECIPIENT_VERSION, tenant, (recipient,))
        case _:
            return ref_in_directory(record.record_key)


def _outgoing(ref: EntityRef, value: bytes | None, topics: Topics) -> ProducerRecord:
    if ref.kind == RECIPIENT_VERSION:
        return ProducerRecord(topic=topics.stops, key=recipient_key(ref.tenant, ref.key[0]), value=value)
    return ProducerRecord(
        topic=topics.directory, key="/".join((ref.kind, ref.tenant, *ref.key)).encode(), value=value
    )
