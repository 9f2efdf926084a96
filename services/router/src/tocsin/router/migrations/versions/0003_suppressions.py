"""Suppressed addresses, soft bounces, what was removed; and whoever has an address is found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "directory"


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), server_default=sa.text("'*'"), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("notification_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("spares_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "cause IN ('bounce', 'complaint', 'manual', 'gone')", name=op.f("ck_suppressions_cause")
        ),
        sa.CheckConstraint(
            "cause = 'manual' OR NOT spares_required", name=op.f("ck_suppressions_spares_required")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_suppressions_tenants")),
        sa.PrimaryKeyConstraint(
            "tenant", "channel", "address_hash", "category", "cause", name=op.f("pk_suppressions")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "soft_bounces",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("status_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "channel", "address_hash", "status_id", name=op.f("pk_soft_bounces")
        ),
        schema=SCHEMA,
    )
    op.create_index("ix_soft_bounces_at", "soft_bounces", ["at"], unique=False, schema=SCHEMA)
    op.create_table(
        "suppression_removals",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("notification_id", sa.Text(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suppressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["directory.tenants.id"], name=op.f("fk_suppression_removals_tenants")
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_suppression_removals")),
        schema=SCHEMA,
    )
    op.execute(f"CREATE INDEX ix_recipients_email ON {SCHEMA}.recipients (tenant, lower(email))")
    op.execute(f"CREATE INDEX ix_recipients_phone ON {SCHEMA}.recipients (tenant, lower(phone))")
