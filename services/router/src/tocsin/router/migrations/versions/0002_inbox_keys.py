"""The keys with which tenants sign tokens of their recipients."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("keys", postgresql.JSONB(), nullable=False),
        sa.Column("origins", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["directory.tenants.id"], name=op.f("fk_inbox_keys_tenants")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_inbox_keys")),
        schema="directory",
    )
    op.create_index(
        "ix_inbox_keys_origins",
        "inbox_keys",
        ["origins"],
        unique=False,
        schema="directory",
        postgresql_using="gin",
    )
