"""Do Kafka and PostgreSQL do what we ask of them?"""

from tocsin.specifications.dashboards.panels import WINDOW, Dashboard, Row, Unit, lines
from tocsin.specifications.dashboards.queries import LANES, largest, quantile, query, rate, total
from tocsin.specifications.dashboards.shared_panels import CONNECTIONS

_COMPONENT = "{{component}}"
_NOT_WAITING = 'request!~"fetch|join_group"'
"""Those two wait at the broker for others."""
_CALLERS = 'route!~"/metrics|/livez|/readyz"'
_SQL = 'component="router", stage=~"claim|look_up"'

KAFKA_AND_DATABASE = Dashboard(
    name="kafka-and-database",
    title="Kafka and database",
    question="Do Kafka and PostgreSQL do what we ask of them, and how long does it take?",
    rows=(
        Row(
            title="Writing to Kafka",
            panels=(
                lines(
                    "Records written",
                    "Does each service write, and how fast?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_produced_records_total", by="component, kind"), "{{component}} {{kind}}"),
                ),
                lines(
                    "Not acknowledged, by reason",
                    "Does Kafka refuse or miss what we write, and why?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_produce_errors_total", by="component, reason"), "{{component}} {{reason}}"),
                ),
                lines(
                    "Buffered, of what is allowed",
                    "How near is a producer to refusing more?",
                    Unit.SHARE,
                    query(
                        f"{largest('tocsin_producer_buffered_bytes', by='component')} / {largest('tocsin_producer_buffered_limit_bytes', by='component')}",
                        _COMPONENT,
                    ),
                ),
                lines("Seconds of a transaction, p99", "Is Kafka slow to commit?", Unit.SECONDS, query(quantile(0.99, "tocsin_transaction_seconds", by="component, lane"), "{{lane}} {{component}}")),
                lines(
                    "Transactions, by outcome",
                    "How often do we commit, and do transactions fail?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_transactions_total", by="component, outcome"), "{{component}} {{outcome}}"),
                ),
                lines(
                    "Last stable offset stands for",
                    "Does an open transaction hold readers back?",
                    Unit.SECONDS,
                    query(largest("tocsin_last_stable_offset_age_seconds", by="lane", where=LANES)),
                ),
            ),
        ),
        Row(
            title="The way to Kafka",
            panels=(
                lines(
                    "Kafka's answers, p99",
                    "Is a broker slow, and at what?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_kafka_request_seconds", by="request", where=_NOT_WAITING), "{{request}}"),
                ),
                lines(
                    "Connections made",
                    "Do we connect again and again, or in vain?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_kafka_connects_total", by="outcome"), "{{outcome}}"),
                ),
                lines(
                    "Connections lost",
                    "Does a broker, or the network, drop us?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_kafka_connections_lost_total", by="cause"), "{{cause}}"),
                ),
            ),
        ),
        Row(
            title="Groups",
            panels=(
                lines(
                    "Rebalances within 15 minutes",
                    "Do members come and go more often than we roll out?",
                    Unit.NUMBER,
                    query("sum by (component) (increase(tocsin_rebalances_total[15m]))", _COMPONENT),
                ),
                lines(
                    "Shards lost within an hour, by cause",
                    "Does a process lose its shards, and by what: a pause of its own, another owner, Kafka?",
                    Unit.NUMBER,
                    query("sum by (component, cause) (increase(tocsin_rejoins_total[1h]))", "{{component}} {{cause}}"),
                ),
                lines(
                    "Seconds until a shard is read, p99 since the start",
                    "How long does a lane stand still at a rebalance?",
                    Unit.SECONDS,
                    query("histogram_quantile(0.99, sum by (component, le) (tocsin_shard_acquire_seconds_bucket))", _COMPONENT),
                ),
                lines(
                    "Partitions that wait for a person",
                    "Does a lane wait for `tocsin topics apply`?",
                    Unit.NUMBER,
                    query("sum(tocsin_unusable_offsets) or vector(0)", "partitions"),
                ),
                lines(
                    "Partitions held back",
                    "Does a full window stop the reading?",
                    Unit.NUMBER,
                    query(total("tocsin_paused_partitions", by="lane", where=LANES)),
                ),
                lines(
                    "Age of the witness's look",
                    "How old is what is said of groups?",
                    Unit.SECONDS,
                    query(largest("tocsin_witness_look_age_seconds", by="component"), "witness"),
                ),
            ),
        ),
        Row(
            title="Database",
            panels=(
                CONNECTIONS,
                lines(
                    "Router's statements, p99",
                    "Is the database slow for the router?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_stage_seconds", by="lane, stage", where=_SQL), "{{lane}} {{stage}}"),
                ),
                lines(
                    "Ledger's writes, p99",
                    "Is the database slow for the ledger?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_stage_seconds", by="lane", where='component="ledger", stage="store"')),
                ),
                lines(
                    "Changes not in force for",
                    "For how long has a change (an unsubscribe, too) not been in force?",
                    Unit.SECONDS,
                    query(largest("tocsin_directory_outbox_age_seconds", by="change"), "{{change}}"),
                ),
                lines(
                    "No expired row left since",
                    "Do expired rows pile up, because deleting them cannot keep up?",
                    Unit.SECONDS,
                    query("min by (table) (tocsin_sweep_age_seconds)", "{{table}}"),
                ),
                lines(
                    "Age of copies, at most",
                    "Are the copies young enough for optional messages (4 s)?",
                    Unit.SECONDS,
                    query(largest("tocsin_copy_age_seconds", by="component, kind"), "{{component}} {{kind}}"),
                ),
            ),
        ),
        Row(
            title="Callers",
            panels=(
                lines(
                    "Seconds of a request, p99",
                    "Are answers slow, and on which route?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_http_seconds", by="component, route", where=_CALLERS), "{{component}} {{route}}"),
                    width=16,
                ),
                lines(
                    "Requests without a valid key",
                    "Does somebody guess keys, or use one that has expired?",
                    Unit.PER_SECOND,
                    query(f"sum by (reason) (rate(tocsin_authentication_failures_total[{WINDOW}]))", "{{reason}}"),
                ),
            ),
        ),
    ),
)  # fmt: skip
