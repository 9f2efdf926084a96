"""The router's tables, schema `directory`: what the API writes and the worker reads. Migrations make them; a test compares.

The tenant is part of every key. Whatever a change takes away from a recipient raises its row in `recipient_versions`, in the
same transaction (`tocsin.router.changes`); no row there means version 0. The row outlives the recipient, so that a version
never counts down, and exists for recipients that only ever came inline.
"""

from enum import IntEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tocsin.contracts.channels import ADDRESS_FIELDS
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.vocabulary import DeviceKind
from tocsin.router.policy import ANY
from tocsin.router.suppression_tables import soft_bounces, suppression_removals, suppressions
from tocsin.router.table_columns import (
    SCHEMA,
    created_at_column,
    json_column,
    metadata,
    revision_column,
    tenant_column,
    updated_at_column,
)

__all__ = [
    "CLAIM_PARTITIONS",
    "SCHEMA",
    "WAKE",
    "Turn",
    "api_keys",
    "cancellations",
    "categories",
    "claims",
    "devices",
    "inbox_keys",
    "metadata",
    "outbox",
    "preferences",
    "quota_days",
    "recipient_versions",
    "recipients",
    "refused_revisions",
    "soft_bounces",
    "suppression_removals",
    "suppressions",
    "template_pointers",
    "templates",
    "tenants",
    "throttles",
    "workflows",
]

CLAIM_PARTITIONS = 8

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("default_locale", Text, nullable=False, server_default=text("'en'")),
    json_column("attributes"),
    json_column("senders"),  # channel -> {address, name, reply_to}
    json_column("providers"),  # channel -> [provider instance, ...] in order
    json_column(
        "provider_weights"
    ),  # channel -> {provider instance: weight}, where they have weights instead
    Column("address_like_ids", Boolean, nullable=False, server_default=text("false")),
    Column(
        "limits", JSONB(none_as_null=True)
    ),  # how much it may send in a second; null: as ingest's settings have it
    Column("quota_reached_on", Date),  # the last day (UTC) on which it sent as much as it may
    Column("shared_devices", Boolean, nullable=False, server_default=text("false")),
    revision_column(),
    created_at_column(),
    updated_at_column(),
)

api_keys = Table(
    "api_keys",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True, unique=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("mode", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("replaces", Text),  # the key this one was made to replace; both work until that one ends
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    created_at_column(),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

inbox_keys = Table(
    "inbox_keys",
    metadata,
    tenant_column(),
    Column("keys", JSONB, nullable=False),  # [{id, algorithm, sealed or public_key}], one or two
    Column(
        "origins", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")
    ),  # pages that may call
    revision_column(),
    created_at_column(),
    updated_at_column(),
    Index("ix_inbox_keys_origins", "origins", postgresql_using="gin"),
)
"""With which a tenant signs tokens of its recipients. No row: none of them is let in."""

recipients = Table(
    "recipients",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    *(Column(field, Text) for field in ADDRESS_FIELDS),
    Column("chats", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # [{id, kind, address}]
    Column("locale", Text),  # BCP 47
    Column("time_zone", Text),  # IANA
    json_column("attributes"),
    revision_column(),
    created_at_column(),
    updated_at_column(),
)

for _field in ADDRESS_FIELDS:
    # Whoever has an address is found by it, in whatever case it is written.
    Index(f"ix_recipients_{_field}", recipients.c.tenant, func.lower(recipients.c[_field]))
Index(
    "ix_recipients_chats",
    recipients.c.chats,
    postgresql_using="gin",
    postgresql_ops={"chats": "jsonb_path_ops"},
)

recipient_versions = Table(
    "recipient_versions",
    metadata,
    tenant_column(),
    Column("recipient", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("raised_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Whether topic `stops` has the version, or is to get it; false once it was forgotten there (`tocsin.router.forgetting`).
    Column("on_stops", Boolean, nullable=False, server_default=text("true")),
    Index("ix_recipient_versions_raised_at", "raised_at", postgresql_where=text("on_stops")),
)

devices = Table(
    "devices",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default=text(f"'{DeviceKind.FCM}'")),
    Column("app", Text),
    created_at_column(),
    updated_at_column(),
    ForeignKeyConstraint(["tenant", "recipient"], ["recipients.tenant", "recipients.id"], ondelete="CASCADE"),
    Index(
        "ix_devices_token", "token", postgresql_using="hash"
    ),  # a token may be longer than a B-tree's entry
)

categories = Table(
    "categories",
    metadata,
    tenant_column(),
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("default", Text, nullable=False, server_default=text("'on'")),
    Column("ttl_seconds", Integer),
    Column("delivery", Text, nullable=False, server_default=text("'at_least_once'")),
    revision_column(),
    created_at_column(),
    updated_at_column(),
    CheckConstraint("\"default\" IN ('required', 'on', 'off')", name="default"),
    Column("resend_elsewhere", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("delivery IN ('at_least_once', 'at_most_once')", name="delivery"),
    CheckConstraint(f"ttl_seconds BETWEEN 1 AND {MESSAGE_LIFE_SECONDS}", name="ttl"),
)

preferences = Table(
    "preferences",
    metadata,
    tenant_column(),
    Column("recipient", Text, primary_key=True),  # known or not: inline recipients have preferences too
    Column("channel", Text, primary_key=True, server_default=text(f"'{ANY}'")),
    Column("category", Text, primary_key=True, server_default=text(f"'{ANY}'")),
    Column("workflow", Text, primary_key=True, server_default=text(f"'{ANY}'")),
    Column("enabled", Boolean, nullable=False),  # no row: says nothing
    Column("source", Text, nullable=False),  # who switched it last: `api`, `unsubscribe_page`, …
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    tenant_column(),
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("url", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),  # `*` alone: all of them
    Column(
        "statuses", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")
    ),  # `*` alone: all of them
    Column("secrets", ARRAY(Text), nullable=False),  # sealed; the newest first, then the one it replaces
    Column("headers", Text),  # a JSON object, sealed as a whole
    Column("header_names", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("ordered", Boolean, nullable=False, server_default=text("false")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_reason", Text),  # null: its owner has disabled it
    Column("disabled_at", DateTime(timezone=True)),
    Column("failing_since", DateTime(timezone=True)),  # null: its last answer was good, or there was none
    Column("last_error", Text),  # of the last answer that was not
    Column("told", SmallInteger, nullable=False, server_default=text("0")),  # how many notices since then
    Column("told_at", DateTime(timezone=True)),
    Column("told_in", Text),  # the record of `status` that brought about the last notice
    revision_column(),
    created_at_column(),
    updated_at_column(),
)
"""Where tenants take webhooks."""

workflows = Table(
    "workflows",
    metadata,
    tenant_column(),
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("event_types", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("recipients", Text),  # JMESPath over the event; null: the event's subject
    Column("category", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("steps", JSONB, nullable=False),  # [{name, kind, channels, template}, ...] in order
    Column("data_schema", JSONB(none_as_null=True)),
    Column("throttle", JSONB(none_as_null=True)),  # {limit, seconds}
    Column("published", Boolean, nullable=False, server_default=text("true")),
    revision_column(),
    created_at_column(),
    updated_at_column(),
    ForeignKeyConstraint(["tenant", "category"], ["categories.tenant", "categories.key"]),
    Index("ix_workflows_category", "tenant", "category"),
)

templates = Table(
    "templates",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("workflow", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    json_column("parts"),
    created_at_column(),
    ForeignKeyConstraint(["tenant", "workflow"], ["workflows.tenant", "workflows.key"], ondelete="CASCADE"),
)
"""Immutable: a new text is a new revision."""

template_pointers = Table(
    "template_pointers",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("workflow", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["tenant", "workflow", "channel", "name", "locale", "revision"],
        [
            "templates.tenant",
            "templates.workflow",
            "templates.channel",
            "templates.name",
            "templates.locale",
            "templates.revision",
        ],
        ondelete="CASCADE",
    ),
)
"""Which revision is published; no row, none is."""

refused_revisions = Table(
    "refused_revisions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("workflow", Text, primary_key=True),
    Column(
        "part", Text, primary_key=True
    ),  # empty for the workflow itself; channel/name/locale of a template
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("until", DateTime(timezone=True), nullable=False),
)
"""What workers do not run for now (`tocsin.router.refused_revisions`)."""

claims = Table(
    "claims",
    metadata,
    Column("key", LargeBinary, primary_key=True),  # `contracts.ids.claim_key`, 16 bytes
    Column("record", Text, nullable=False),  # the claiming record: topic/partition/offset
    Column("data_hash", BigInteger, nullable=False),  # 8 bytes of SHA-256 over the event's data
    Column("claimed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_claims_claimed_at", "claimed_at"),
    postgresql_partition_by="HASH (key)",
)


cancellations = Table(
    "cancellations",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # `contracts.cancellations`, 16 bytes
    Column("requested_at", DateTime(timezone=True), nullable=False),  # the broker's time
    Index("ix_cancellations_requested_at", "requested_at"),
)


throttles = Table(
    "throttles",
    metadata,
    Column("key", LargeBinary, primary_key=True),  # `contracts.ids.throttle_key`, 16 bytes
    Column(
        "ids", ARRAY(UUID)
    ),  # notifications that were let in: within the window, and those of the last batch
    Column("times", ARRAY(DateTime(timezone=True))),  # of their events, as the broker has it
    Column("most", Integer, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),  # when nobody asks for it any more
    Index("ix_throttles_ends_at", "ends_at"),
)


quota_days = Table(
    "quota_days",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Date, primary_key=True),  # UTC
    Column("used", BigInteger, nullable=False, server_default=text("0")),
    json_column("places"),  # topic/partition -> [counted up to this offset, let in up to this offset]
)


class Turn(IntEnum):
    """In which order rows of `outbox` are published: what takes rights away before all else, imports after single changes."""

    RIGHTS = 0
    OTHERS = 1
    IMPORTED_RIGHTS = 2
    IMPORTED_OTHERS = 3

    @classmethod
    def of(cls, kind: str, *, imported: bool) -> "Turn":
        """The turn of a row about an entity of this kind."""
        rights = kind in {"api_key", "inbox_keys", "recipient_version"}
        return cls(2 * imported + (not rights))


outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),  # as in `contracts.directory`, or recipient_version
    Column("tenant", Text, nullable=False),
    Column("key", ARRAY(Text), nullable=False),  # what names the entity within the tenant
    Column("turn", SmallInteger, nullable=False),  # `Turn`
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_outbox_turn_id", "turn", "id"),
)
"""Which entities changed, not how: the relay reads each as it then stands. A trigger wakes the relay after each insert."""

WAKE = "tocsin_outbox"
"""The channel on which the trigger says that there is something to publish."""
