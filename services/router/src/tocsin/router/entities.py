"""Entities as other services may know them: a row of the database becomes a record of `directory` or `stops`.

One query a kind; an entity that is absent from the answer has no state and gets a tombstone.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Select,
    SmallInteger,
    Text,
    and_,
    cast,
    extract,
    func,
    insert,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import (
    ApiKeyRecord,
    CategoryRecord,
    DirectoryRecord,
    InboxKeysRecord,
    TemplateRecord,
    TenantRecord,
    WebhookEndpointRecord,
    WorkflowRecord,
)
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.contracts.topics import Topics
from tocsin.kafka import ProducerRecord
from tocsin.router import tables

RECIPIENT_VERSION = "recipient_version"


class EntityRef(NamedTuple):
    """Which entity: as the outbox names it."""

    kind: str
    tenant: str
    key: tuple[str, ...]


Fields = Mapping[str, Any]
"""A row of a kind's query, by column."""


class _Kind(NamedTuple):
    encode: Callable[[Fields], bytes]
    """The value of a row's record. Raises `msgspec.ValidationError` where no record can hold the row."""
    query: Select[Any]
    """Entities without state are left out."""
    named_by: tuple[Any, ...]
    """The tenant first, then what names the entity within it."""


def _entity(kind: type[DirectoryRecord], fields: Fields) -> bytes:
    """A record of `directory`, whose fields the columns are named after."""
    return encode(msgspec.convert(fields, kind))


def _stop(fields: Fields) -> bytes:
    """A record of `stops`."""
    return encode_stop(RecipientVersion(version=fields["version"], raised_at=int(fields["raised_at"])))


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
        partial(_entity, ApiKeyRecord),
        select(
            *(
                tables.api_keys.c[n]
                for n in ("tenant", "id", "name", "mode", "sha256", "scopes", "expires_at")
            )
        ).where(tables.api_keys.c.revoked_at.is_(None)),
        (tables.api_keys.c.tenant, tables.api_keys.c.id),
    ),
    "tenant": _Kind(
        partial(_entity, TenantRecord),
        select(
            tables.tenants.c.id.label("tenant"),
            *(
                tables.tenants.c[n]
                for n in (
                    "name",
                    "default_locale",
                    "attributes",
                    "senders",
                    "providers",
                    "provider_weights",
                    "address_like_ids",
                    "limits",
                    "quota_reached_on",
                )
            ),
        ),
        (tables.tenants.c.id,),
    ),
    "category": _Kind(
        partial(_entity, CategoryRecord),
        select(
            *(
                tables.categories.c[n]
                for n in ("tenant", "key", "name", "default", "ttl_seconds", "resend_elsewhere")
            ),
            tables.categories.c.delivery.label("delivery_class"),
        ),
        (tables.categories.c.tenant, tables.categories.c.key),
    ),
    "workflow": _Kind(
        partial(_entity, WorkflowRecord),
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
                    "throttle",
                )
            )
        ).where(tables.workflows.c.published),
        (tables.workflows.c.tenant, tables.workflows.c.key),
    ),
    "template": _Kind(
        partial(_entity, TemplateRecord),
        _published_template,
        (
            tables.templates.c.tenant,
            tables.templates.c.workflow,
            tables.templates.c.channel,
            tables.templates.c.name,
            tables.templates.c.locale,
        ),
    ),
    "inbox_keys": _Kind(
        partial(_entity, InboxKeysRecord),
        select(*(tables.inbox_keys.c[n] for n in ("tenant", "keys", "origins"))),
        (tables.inbox_keys.c.tenant,),
    ),
    "webhook_endpoint": _Kind(
        partial(_entity, WebhookEndpointRecord),
        select(
            *(
                tables.webhook_endpoints.c[n]
                for n in (
                    "tenant",
                    "key",
                    "url",
                    "event_types",
                    "statuses",
                    "secrets",
                    "headers",
                    "ordered",
                    "enabled",
                )
            )
        ),
        (tables.webhook_endpoints.c.tenant, tables.webhook_endpoints.c.key),
    ),
    RECIPIENT_VERSION: _Kind(
        _stop,
        select(
            tables.recipient_versions.c.tenant,
            tables.recipient_versions.c.recipient,
            tables.recipient_versions.c.version,
            func.floor(extract("epoch", tables.recipient_versions.c.raised_at)).label("raised_at"),
        ).where(tables.recipient_versions.c.on_stops),
        (tables.recipient_versions.c.tenant, tables.recipient_versions.c.recipient),
    ),
}
KINDS: Final = tuple(_KINDS)


class Current(NamedTuple):
    """Entities as they now stand."""

    records: dict[EntityRef, ProducerRecord]
    """The record of each, or its tombstone, in the order in which they were asked for."""
    unwritable: dict[EntityRef, str]
    """Those whose rows no record can hold, and why: a broken release wrote the row, or cannot read it."""


async def current_records(db: AsyncConnection, refs: Sequence[EntityRef], topics: Topics) -> Current:
    """What these entities are now."""
    values: dict[EntityRef, bytes] = {}
    unwritable: dict[EntityRef, str] = {}
    for kind in {ref.kind for ref in refs}:
        names = [(ref.tenant, *ref.key) for ref in refs if ref.kind == kind]
        described = _KINDS[kind]
        query = described.query.where(tuple_(*described.named_by).in_(names))
        for row in (await db.execute(query)).mappings():
            ref = EntityRef(kind, row["tenant"], tuple(row[column.name] for column in described.named_by[1:]))
            try:
                # msgspec takes no subclass of str as a key
                values[ref] = described.encode({str(name): column for name, column in row.items()})
            except msgspec.ValidationError as error:
                unwritable[ref] = str(error)
    records = {ref: _outgoing(ref, values.get(ref), topics) for ref in refs if ref not in unwritable}
    return Current(records, unwritable)


async def queue_all(db: AsyncConnection) -> None:
    """Put every entity that has a state into the outbox."""
    for kind, described in _KINDS.items():
        tenant, *key = described.named_by
        named: array[str] = array(key, type_=Text())
        turn = literal(tables.Turn.of(kind, imported=True), SmallInteger())
        names = described.query.with_only_columns(literal(kind), tenant, named, turn)
        await db.execute(insert(tables.outbox).from_select(["kind", "tenant", "key", "turn"], names))


async def queue(db: AsyncConnection, refs: Sequence[EntityRef]) -> None:
    """Put these entities into the outbox."""
    if refs:
        rows = [
            {
                "kind": ref.kind,
                "tenant": ref.tenant,
                "key": list(ref.key),
                "turn": tables.Turn.of(ref.kind, imported=True),
            }
            for ref in refs
        ]
        await db.execute(insert(tables.outbox), rows)


async def adopt_versions(db: AsyncConnection, versions: Mapping[EntityRef, int]) -> None:
    """Raise the database's versions to these, where it has smaller ones or none; of tenants that it has."""
    if not versions:
        return
    asked = select(
        func.unnest(cast([ref.tenant for ref in versions], ARRAY(Text))).label("tenant"),
        func.unnest(cast([ref.key[0] for ref in versions], ARRAY(Text))).label("recipient"),
        func.unnest(cast(list(versions.values()), ARRAY(BigInteger))).label("version"),
    ).subquery()
    known = select(asked).where(asked.c.tenant.in_(select(tables.tenants.c.id)))
    raised = postgresql.insert(tables.recipient_versions).from_select(
        ["tenant", "recipient", "version"], known
    )
    await db.execute(
        raised.on_conflict_do_update(
            index_elements=["tenant", "recipient"],
            set_={"version": raised.excluded.version, "raised_at": func.now(), "on_stops": True},
            where=tables.recipient_versions.c.version < raised.excluded.version,
        )
    )


def ref_in_directory(key: bytes) -> EntityRef:
    """The entity that a key of topic `directory` names."""
    kind, tenant, *rest = key.decode().split("/")
    return EntityRef(kind, tenant, tuple(rest))


def ref_in_stops(key: bytes) -> EntityRef:
    """The entity that a key of topic `stops` names; a recipient's id may hold slashes, a tenant's may not."""
    tenant, _, recipient = key.decode().partition("/")
    return EntityRef(RECIPIENT_VERSION, tenant, (recipient,))


def _outgoing(ref: EntityRef, value: bytes | None, topics: Topics) -> ProducerRecord:
    if ref.kind == RECIPIENT_VERSION:
        return ProducerRecord(topic=topics.stops, key=recipient_key(ref.tenant, ref.key[0]), value=value)
    return ProducerRecord(
        topic=topics.directory, key="/".join((ref.kind, ref.tenant, *ref.key)).encode(), value=value
    )
