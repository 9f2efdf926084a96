"""what providers tell of messages after they took them"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The receipt as JSON, and since when a device is gone. No row is rewritten, and a ledger of the release before goes on writing without them.
COLUMNS = "ALTER TABLE statuses ADD COLUMN receipt text, ADD COLUMN gone_since timestamptz"


def upgrade() -> None:
    op.execute(COLUMNS)
