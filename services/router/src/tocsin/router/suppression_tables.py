"""The router's tables of suppressed addresses: what stands, what is being counted, and what was taken away.

They hold keyed hashes (`tocsin.router.address_hashes`) and no address: a row outlives the recipient.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    func,
    text,
)

from tocsin.router.policy import ANY
from tocsin.router.table_columns import created_at_column, metadata, tenant_column

suppressions = Table(
    "suppressions",
    metadata,
    tenant_column(),
    Column("channel", Text, primary_key=True),
    Column("address_hash", Text, primary_key=True),  # `tocsin.router.address_hashes`
    Column("category", Text, primary_key=True, server_default=text(f"'{ANY}'")),
    Column("cause", Text, primary_key=True),
    # Whether messages of required categories go there all the same; of what a person has added only. It is part of the key: what spares them
    # and what does not may end at different times.
    Column("spares_required", Boolean, primary_key=True, server_default=text("false")),
    Column("source", Text, nullable=False),  # `provider`, `api`, `import`, or what the caller named
    Column("code", Text),  # the provider's own, such as 550 5.1.1
    Column("notification_id", Text),  # the message of which the provider said it
    Column("key_id", Text),  # the API key that added it
    Column("until", DateTime(timezone=True)),  # null: for good
    created_at_column(),
    CheckConstraint("cause IN ('bounce', 'complaint', 'manual', 'gone')", name="cause"),
    CheckConstraint("cause = 'manual' OR NOT spares_required", name="spares_required"),
)
"""Addresses to which nothing goes, by a keyed hash: a row outlives the recipient, and is no address."""

soft_bounces = Table(
    "soft_bounces",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("address_hash", Text, primary_key=True),
    Column("status_id", Text, primary_key=True),  # so that one that is read twice counts once
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_soft_bounces_at", "at"),
)
"""Five of them within seven days suppress an address."""

suppression_removals = Table(
    "suppression_removals",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("removed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("key_id", Text, nullable=False),  # the API key that removed it
    Column("reason", Text, nullable=False),  # in the caller's words
    Column("channel", Text, nullable=False),
    Column("address_hash", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("spares_required", Boolean, nullable=False, server_default=text("false")),
    Column("source", Text, nullable=False),
    Column("code", Text),
    Column("notification_id", Text),
    Column("until", DateTime(timezone=True)),
    Column("suppressed_at", DateTime(timezone=True), nullable=False),
)
"""What was suppressed and is no more: who took it away, when and why."""
