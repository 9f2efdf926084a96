"""Which statuses an endpoint of webhooks is told of."""

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
