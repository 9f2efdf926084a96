"""Whether a suppression spares required categories is part of its key: one that does and one that does not stand side by side."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "directory"
KEY = ["tenant", "channel", "address_hash", "category", "cause", "spares_required"]


def upgrade() -> None:
    op.drop_constraint("pk_suppressions", "suppressions", schema=SCHEMA)
    op.create_primary_key("pk_suppressions", "suppressions", KEY, schema=SCHEMA)
    op.add_column(
        "suppression_removals",
        sa.Column("spares_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
