"""timers, hurries and positions"""

from alembic import op

from tocsin.projection import POSITIONS_TABLE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A timer lies in the partition of what it writes, and is found by the shard that owns it. `kafka_offset` is that of the record that
# set it: what comes behind it in the partition is later. `record` is compressed by PostgreSQL where that pays.
TIMERS = """
CREATE TABLE timers (
    lane text NOT NULL,
    kafka_partition integer NOT NULL,
    id uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    set_at timestamptz NOT NULL,
    due timestamptz NOT NULL,
    hurried boolean NOT NULL DEFAULT false,
    tenant text NOT NULL,
    recipient text NOT NULL,
    notification_id uuid NOT NULL,
    wakes_on text,
    topic text NOT NULL,
    key bytea NOT NULL,
    record bytea NOT NULL,
    traceparent text,
    PRIMARY KEY (lane, kafka_partition, id)
)
"""
INDEXES = (
    "CREATE INDEX timers_by_due ON timers (lane, kafka_partition, due, kafka_offset)",
    "CREATE INDEX timers_by_recipient ON timers (tenant, recipient)",
    "CREATE INDEX timers_that_wake ON timers (notification_id, wakes_on) WHERE wakes_on IS NOT NULL",
)

# News that came before the timer that waits for it: kept for ten minutes of the broker's time.
HURRIES = """
CREATE TABLE hurries (
    lane text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    notification_id uuid NOT NULL,
    step text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (lane, kafka_partition, kafka_offset)
)
"""


def upgrade() -> None:
    for statement in (TIMERS, *INDEXES, HURRIES, POSITIONS_TABLE):
        op.execute(statement)
