"""The directory, claims, cancellations and the outbox, as the first release has them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "directory"
CLAIM_PARTITIONS = 8


def upgrade() -> None:
    op.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    op.create_table(
        "claims",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("data_hash", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_claims")),
        schema=SCHEMA,
        postgresql_partition_by="HASH (key)",
    )
    op.create_index("ix_claims_claimed_at", "claims", ["claimed_at"], unique=False, schema=SCHEMA)
    op.create_table(
        "cancellations",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_cancellations")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_cancellations_requested_at", "cancellations", ["requested_at"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "quota_days",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("places", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", name=op.f("pk_quota_days")),
        schema=SCHEMA,
    )
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("ids", sa.ARRAY(sa.UUID()), nullable=True),
        sa.Column("times", sa.ARRAY(sa.DateTime(timezone=True)), nullable=True),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttles")),
        schema=SCHEMA,
    )
    op.create_index("ix_throttles_ends_at", "throttles", ["ends_at"], unique=False, schema=SCHEMA)
    for number in range(CLAIM_PARTITIONS):
        op.execute(
            f"CREATE TABLE {SCHEMA}.claims_{number} PARTITION OF {SCHEMA}.claims "
            f"FOR VALUES WITH (MODULUS {CLAIM_PARTITIONS}, REMAINDER {number})"
        )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("turn", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema=SCHEMA,
    )
    op.create_index("ix_outbox_turn_id", "outbox", ["turn", "id"], unique=False, schema=SCHEMA)
    op.execute(
        f"CREATE FUNCTION {SCHEMA}.wake_relay() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('tocsin_outbox', ''); RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER wake_relay AFTER INSERT ON {SCHEMA}.outbox "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.wake_relay()"
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("default_locale", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("senders", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("providers", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "provider_weights", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("address_like_ids", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("quota_reached_on", sa.Date()),
        sa.Column("limits", postgresql.JSONB()),
        sa.Column("shared_devices", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        schema=SCHEMA,
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("ck_api_keys_mode")),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_api_keys_tenants")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_api_keys_id")),
        schema=SCHEMA,
    )
    op.create_table(
        "categories",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("default", sa.Text(), server_default=sa.text("'on'"), nullable=False),
        sa.Column("ttl_seconds", sa.Integer(), nullable=True),
        sa.Column("delivery", sa.Text(), server_default=sa.text("'at_least_once'"), nullable=False),
        sa.Column("resend_elsewhere", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("\"default\" IN ('required', 'on', 'off')", name=op.f("ck_categories_default")),
        sa.CheckConstraint(
            "delivery IN ('at_least_once', 'at_most_once')", name=op.f("ck_categories_delivery")
        ),
        sa.CheckConstraint("ttl_seconds BETWEEN 1 AND 518400", name=op.f("ck_categories_ttl")),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_categories_tenants")),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_categories")),
        schema=SCHEMA,
    )
    op.create_table(
        "preferences",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), server_default=sa.text("'*'"), nullable=False),
        sa.Column("category", sa.Text(), server_default=sa.text("'*'"), nullable=False),
        sa.Column("workflow", sa.Text(), server_default=sa.text("'*'"), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_preferences_tenants")),
        sa.PrimaryKeyConstraint(
            "tenant", "recipient", "channel", "category", "workflow", name=op.f("pk_preferences")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "recipient_versions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("on_stops", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["directory.tenants.id"], name=op.f("fk_recipient_versions_tenants")
        ),
        sa.PrimaryKeyConstraint("tenant", "recipient", name=op.f("pk_recipient_versions")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_recipient_versions_raised_at",
        "recipient_versions",
        ["raised_at"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("on_stops"),
    )
    op.create_table(
        "recipients",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_recipients_tenants")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_recipients")),
        schema=SCHEMA,
    )
    op.create_table(
        "devices",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'fcm'"), nullable=False),
        sa.Column("app", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "recipient"],
            ["directory.recipients.tenant", "directory.recipients.id"],
            name=op.f("fk_devices_recipients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "recipient", "id", name=op.f("pk_devices")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_devices_token", "devices", ["token"], unique=False, schema=SCHEMA, postgresql_using="hash"
    )
    op.create_table(
        "workflows",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("data_schema", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("throttle", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("published", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "category"],
            ["directory.categories.tenant", "directory.categories.key"],
            name=op.f("fk_workflows_categories"),
        ),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_workflows_tenants")),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_workflows")),
        schema=SCHEMA,
    )
    op.create_index("ix_workflows_category", "workflows", ["tenant", "category"], unique=False, schema=SCHEMA)
    op.create_table(
        "templates",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "workflow"],
            ["directory.workflows.tenant", "directory.workflows.key"],
            name=op.f("fk_templates_workflows"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "workflow", "channel", "name", "locale", "revision", name=op.f("pk_templates")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "template_pointers",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "workflow", "channel", "name", "locale", "revision"],
            [
                "directory.templates.tenant",
                "directory.templates.workflow",
                "directory.templates.channel",
                "directory.templates.name",
                "directory.templates.locale",
                "directory.templates.revision",
            ],
            name=op.f("fk_template_pointers_templates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "workflow", "channel", "name", "locale", name=op.f("pk_template_pointers")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "refused_revisions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "workflow", "part", "revision", name=op.f("pk_refused_revisions")),
        schema=SCHEMA,
    )
