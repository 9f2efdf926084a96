"""A recipient's places in chats; and whoever has one is found by it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "directory"


def upgrade() -> None:
    op.add_column(
        "recipients",
        sa.Column("chats", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        schema=SCHEMA,
    )
    op.execute(f"CREATE INDEX ix_recipients_chats ON {SCHEMA}.recipients USING gin (chats jsonb_path_ops)")
