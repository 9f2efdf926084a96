"""changes that are still to be told"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Written in the transaction that changes an item, and deleted once its status stands on Kafka. `about` is the item's: the item may be gone
# by then.
CHANGES = """
CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    recipient text NOT NULL,
    item uuid NOT NULL,
    status text NOT NULL,
    at timestamptz NOT NULL,
    category text NOT NULL,
    about text NOT NULL
)
"""


def upgrade() -> None:
    op.execute(CHANGES)
