"""Which statuses an endpoint of webhooks is told of, and since when it fails."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "directory"


def upgrade() -> None:
    none = sa.text("'{}'::text[]")
    op.add_column(
        "webhook_endpoints",
        sa.Column("statuses", postgresql.ARRAY(sa.Text()), server_default=none, nullable=False),
        schema=SCHEMA,
    )
    for column in (
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("told", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_in", sa.Text(), nullable=True),
    ):
        op.add_column("webhook_endpoints", column, schema=SCHEMA)
