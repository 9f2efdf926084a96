"""what providers tell of messages after they took them"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The receipt as JSON. No row is rewritten, and a ledger of the release before goes on writing without it.
RECEIPT = "ALTER TABLE statuses ADD COLUMN receipt text"


def upgrade() -> None:
    op.execute(RECEIPT)
