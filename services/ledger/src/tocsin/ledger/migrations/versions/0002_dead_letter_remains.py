"""what a dead letter says of a key and headers that were too large to keep"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Rows of before have the defaults, which say that nothing was left out. With a constant default no row is rewritten. The columns
# may be NULL, so that a ledger of the release before, which does not know them, can go on writing until it is replaced.
COLUMNS = (
    ("original_key_bytes", "bigint DEFAULT 0"),
    ("original_key_sha256", "text DEFAULT ''"),
    ("original_headers", "bigint DEFAULT 0"),
    ("original_headers_bytes", "bigint DEFAULT 0"),
    ("original_headers_sha256", "text DEFAULT ''"),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.execute(f"ALTER TABLE dead_letters ADD COLUMN {name} {kind}")
