"""items and boxes"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARTITIONS = 16

# An item is one delivery: its id is the delivery's. `seq` counts within its box, in the order in which items were stored. `content` is the
# JSON that the app is shown, `about` what the delivery's later statuses repeat; both are never searched. `remove_at` is when the sweep takes
# it: when it expires, or when it is too old.
ITEMS = """
CREATE TABLE items (
    tenant text NOT NULL,
    recipient text NOT NULL,
    id uuid NOT NULL,
    seq bigint NOT NULL,
    category text NOT NULL,
    content text NOT NULL,
    about text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    remove_at timestamptz NOT NULL,
    seen_at timestamptz,
    read_at timestamptz,
    archived_at timestamptz,
    clicked_at timestamptz,
    clicked_action text,
    PRIMARY KEY (tenant, recipient, id)
) PARTITION BY HASH (tenant, recipient)
"""
INDEXES = (
    "CREATE UNIQUE INDEX items_by_seq ON items (tenant, recipient, seq)",
    "CREATE INDEX items_by_end ON items (remove_at)",
)

# `unseen` and `unread` count items that are neither archived nor seen, or read. Whoever changes an item holds its box's row: so counts
# are those of the rows, and what is stored later has the greater `seq`.
BOXES = """
CREATE TABLE boxes (
    tenant text NOT NULL,
    recipient text NOT NULL,
    last_seq bigint NOT NULL DEFAULT 0,
    unseen integer NOT NULL DEFAULT 0,
    unread integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, recipient)
)
"""


def upgrade() -> None:
    op.execute(ITEMS)
    for part in range(PARTITIONS):
        op.execute(
            f"CREATE TABLE items_{part} PARTITION OF items FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part})"
        )
    for statement in (*INDEXES, BOXES):
        op.execute(statement)
