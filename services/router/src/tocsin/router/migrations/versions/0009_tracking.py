"""Whether a category's messages tell that they were opened and what was clicked."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "directory"


def upgrade() -> None:
    op.add_column(
        "categories",
        sa.Column("tracking", sa.Text(), server_default=sa.text("'off'"), nullable=False),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_categories_tracking"),
        "categories",
        "tracking IN ('off', 'aggregate', 'individual')",
        schema=SCHEMA,
    )
