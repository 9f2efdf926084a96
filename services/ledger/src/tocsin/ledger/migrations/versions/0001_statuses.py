"""statuses, dead letters and positions"""

from alembic import op

from tocsin.projection import POSITIONS_TABLE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The day is that of the broker's clock, so that a replay puts a record where it was. Within a day a status id stands once.
#
# `kind` says what a row is. `status`: a status, its columns are the record's fields. `decision`: what the router decided about a
# notification; `status` holds its outcome, `routed` the channels on which something goes out, `decision` the rules and targets.
# `awaited` holds the deliveries of a decision for which a job went out (the notification itself where it is scheduled), and
# `expires_at` is when the message dies.
# `target`: one delivery that a decision did not send, so that lists find it; its notification's decision tells as much.
STATUSES = """
CREATE TABLE statuses (
    day date NOT NULL,
    stored_at timestamptz NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    kind text NOT NULL,
    status_id uuid NOT NULL,
    again text,
    redrive uuid,
    event_time timestamptz,
    routed text[],
    decision text,
    awaited uuid[],
    expires_at timestamptz,
    status text NOT NULL,
    final boolean NOT NULL,
    at timestamptz NOT NULL,
    tenant text NOT NULL,
    event_source text,
    event_id text,
    notification_id uuid,
    delivery_id uuid,
    recipient text,
    workflow text,
    category text,
    channel text,
    step text,
    address_key text,
    address_hash text,
    lane text NOT NULL,
    provider text,
    provider_message_id text,
    provider_code text,
    attempt integer,
    tries text,
    rule text,
    reason text,
    detail text,
    retryable boolean,
    due_at timestamptz,
    segments integer,
    test boolean NOT NULL,
    cancel_key text,
    locale text,
    template text,
    template_version integer,
    origin text NOT NULL,
    cause text NOT NULL,
    traceparent text,
    PRIMARY KEY (day, status_id)
) PARTITION BY RANGE (day)
"""

# The first decision about a notification: with it the notification was accepted.
ACCEPTED = "kind = 'decision' AND again IS NULL AND status <> 'duplicate'"

# One timeline; then lists: everything of a tenant or a recipient, newest first; what an event became, and all that is said of
# it as a whole; the cancellations of a key; and what is rare enough to be looked for: a list of failures must not read all that went well. An event's id
# is the producer's, and longer than an index entry may be: its hash is looked up.
INDEXES = (
    "CREATE INDEX ON statuses (notification_id) WHERE notification_id IS NOT NULL",
    f"CREATE INDEX ON statuses (tenant, stored_at) WHERE {ACCEPTED}",
    f"CREATE INDEX ON statuses (tenant, recipient, stored_at) WHERE {ACCEPTED}",
    f"CREATE INDEX ON statuses (tenant, hashtextextended(event_id, 0)) WHERE ({ACCEPTED}) OR notification_id IS NULL",
    "CREATE INDEX ON statuses (tenant, status, stored_at) WHERE status NOT IN ('decided', 'sent', 'event_accepted')",
    "CREATE INDEX ON statuses (expires_at) WHERE awaited IS NOT NULL",
    "CREATE INDEX ON statuses (tenant, cancel_key) WHERE status = 'cancel_requested' AND cancel_key IS NOT NULL",
)

# The place names the record, and `id` is computed from it: a replay of the same record is the same row. `kind` is the family of the
# topic from which the dead record came. Numbers grow in the order in which letters become visible.
DEAD_LETTER_NUMBERS = "CREATE SEQUENCE dead_letter_numbers"
DEAD_LETTERS = """
CREATE TABLE dead_letters (
    day date NOT NULL,
    stored_at timestamptz NOT NULL,
    kafka_topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL DEFAULT nextval('ledger.dead_letter_numbers'),
    kind text NOT NULL,
    service text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    origin text NOT NULL,
    at timestamptz NOT NULL,
    tenant text NOT NULL,
    event_source text NOT NULL,
    event_id text NOT NULL,
    workflows text NOT NULL,
    record_time timestamptz,
    original_bytes bigint NOT NULL,
    original_sha256 text NOT NULL,
    key bytea,
    value bytea,
    headers text NOT NULL,
    PRIMARY KEY (day, kafka_topic, kafka_partition, kafka_offset)
) PARTITION BY RANGE (day)
"""

# One letter; then lists of a tenant's, or of what names none (''), newest or oldest first, and each filter for itself: one producer's
# poison must not hide a rare letter behind a million of its own. A source is the producer's, so its hash is looked up.
DEAD_LETTER_INDEXES = (
    "CREATE INDEX ON dead_letters (id)",
    "CREATE INDEX ON dead_letters (tenant, number)",
    "CREATE INDEX ON dead_letters (tenant, reason, number)",
    "CREATE INDEX ON dead_letters (tenant, service, number)",
    "CREATE INDEX ON dead_letters (tenant, kind, number)",
    "CREATE INDEX ON dead_letters (tenant, hashtextextended(event_source, 0), number)",
)


# Deliveries (or scheduled notifications) whose time has passed without an end, and up to which time each partition of `status` was
# looked at for them. Of a delivery that was re-driven only an end since `redriven_at` counts.
OVERDUE = """
CREATE TABLE overdue (
    lane text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    tenant text NOT NULL,
    notification_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    origin text NOT NULL,
    day date NOT NULL,
    redriven_at timestamptz,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, delivery_id, origin)
)
"""
SWEPT = """
CREATE TABLE swept (
    lane text NOT NULL,
    kafka_partition integer NOT NULL,
    up_to timestamptz NOT NULL,
    PRIMARY KEY (lane, kafka_partition)
)
"""

# A re-drive goes through what fits `selection` in the order of `place`, a page at a time. `pending` says that the rows of `redriven`
# with the number `page` are stored, and not known to be written to Kafka.
REDRIVES = """
CREATE TABLE redrives (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL,
    selection text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'finished')),
    rate integer NOT NULL,
    matched bigint NOT NULL,
    written bigint NOT NULL DEFAULT 0,
    not_possible bigint NOT NULL DEFAULT 0,
    place text,
    page bigint NOT NULL DEFAULT 0,
    pending boolean NOT NULL DEFAULT false,
    key_id text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
)
"""
REDRIVE_INDEXES = (
    "CREATE INDEX ON redrives (tenant, number)",
    "CREATE INDEX ON redrives (number) WHERE state = 'running' OR pending",
)

# What was re-driven: the status that told of an end, or the dead letter. It stands here once, so each is re-driven once.
REDRIVEN = """
CREATE TABLE redriven (
    id uuid PRIMARY KEY,
    day date NOT NULL,
    redrive uuid NOT NULL,
    page bigint NOT NULL
)
"""
REDRIVEN_INDEXES = (
    "CREATE INDEX ON redriven (redrive, page)",
    "CREATE INDEX ON redriven (day)",
)


def upgrade() -> None:
    for statement in (
        STATUSES,
        *INDEXES,
        DEAD_LETTER_NUMBERS,
        DEAD_LETTERS,
        *DEAD_LETTER_INDEXES,
        POSITIONS_TABLE,
        OVERDUE,
        SWEPT,
        REDRIVES,
        *REDRIVE_INDEXES,
        REDRIVEN,
        *REDRIVEN_INDEXES,
    ):
        op.execute(statement)
