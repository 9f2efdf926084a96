"""What does it cost, what grows, and what ends first?"""

from tocsin.specifications.dashboards.panels import WINDOW, Dashboard, Row, Unit, lines
from tocsin.specifications.dashboards.queries import LANES, OURS, largest, query, rate, total
from tocsin.specifications.dashboards.shared_panels import CONNECTIONS, IN_FLIGHT

_COMPONENT = "{{component}}"


def _by_component(expression: str) -> str:
    """Of what each process tells of itself: the metric has no component, but the process shows its build."""
    named = "group by (job, instance, component) (tocsin_build_info)"
    return f"sum by (component) ({expression} * on (job, instance) group_left (component) {named})"


_CORES = f"rate(process_cpu_seconds_total{{{OURS}}}[{WINDOW}])"
_OVER = f'sum(rate(tocsin_deliveries_total{{status="sent"}}[{WINDOW}]))'

CAPACITY = Dashboard(
    name="capacity",
    title="Capacity",
    question="What does a message cost, what grows, and what ends first?",
    rows=(
        Row(
            title="What it costs",
            panels=(
                lines("Processor time", "How many cores does each service use?", Unit.NUMBER, query(_by_component(_CORES), _COMPONENT)),
                lines(
                    "Processor time a message",
                    "What does one message that is handed over cost, all services together?",
                    Unit.SECONDS,
                    query(f"sum({_CORES}) / ({_OVER} > 0)", "a message"),
                ),
                lines(
                    "Memory",
                    "How much memory does each service use?",
                    Unit.BYTES,
                    query(_by_component(f"process_resident_memory_bytes{{{OURS}}}"), _COMPONENT),
                ),
            ),
        ),
        Row(
            title="What is full first",
            panels=(
                IN_FLIGHT,
                lines(
                    "Calls at once, of what is allowed",
                    "Is a provider's `max_in_flight` what holds messages up?",
                    Unit.SHARE,
                    query(f"{total('tocsin_provider_calls', by='provider')} / {total('tocsin_provider_places', by='provider')}", "{{provider}}"),
                ),
                CONNECTIONS,
                lines(
                    "Shards held by one process, of the lane's",
                    "Would more processes help? At one shard each they would not.",
                    Unit.SHARE,
                    query(
                        f"{largest('tocsin_shards_held', by='component, lane')} / {largest('tocsin_shards', by='component, lane')}",
                        "{{lane}} {{component}}",
                    ),
                ),
                lines(
                    "Request bodies held, of what is allowed",
                    "How near are bodies to `HTTP_BODIES_BYTES`, at which more are refused?",
                    Unit.SHARE,
                    query(f"{total('tocsin_http_bodies_bytes', by='component')} / {total('tocsin_http_bodies_limit_bytes', by='component')}", _COMPONENT),
                ),
                lines(
                    "File descriptors, of what is allowed",
                    "Does a process run out of connections?",
                    Unit.SHARE,
                    query(f"max by (instance) (process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}})", "{{instance}}"),
                ),
            ),
        ),
        Row(
            title="What ends by itself",
            panels=(
                lines(
                    "Certificates end in",
                    "Which certificate ends soon?",
                    Unit.SECONDS,
                    query("min by (certificate) (tocsin_certificate_seconds_left)", "{{certificate}}"),
                    empty="No process was given a certificate.",
                ),
                lines(
                    "API keys that end",
                    "Will a producer soon be refused, because its key ends?",
                    Unit.NUMBER,
                    query(largest("tocsin_api_keys_expiring", by="within"), "within {{within}}"),
                ),
                lines(
                    "Releases that run",
                    "Did the rollout reach everybody?",
                    Unit.NUMBER,
                    query("count by (version, commit) (tocsin_build_info)", "{{version}} {{commit}}"),
                ),
            ),
        ),
        Row(
            title="What grows",
            panels=(
                lines(
                    "Directory held by each process",
                    "How many entities does each process hold?",
                    Unit.NUMBER,
                    query(largest("tocsin_directory_entities", by="entity"), "{{entity}}"),
                ),
                lines(
                    "Memory of stops and cancellations",
                    "How much memory do they take in each dispatcher, and does it grow?",
                    Unit.BYTES,
                    query("16 * max(tocsin_recipient_versions)", "stops"),
                    query("28 * max(tocsin_cancellations_held)", "cancellations"),
                ),
                lines("Timers", "How much waits for its time, and does it grow?", Unit.NUMBER, query(total("tocsin_pending_timers", by="lane"))),
                lines(
                    "Rows of the ledger",
                    "How many rows does the ledger write?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_processed_messages_total", by="lane", where=f'component="ledger", outcome="written", {LANES}')),
                ),
                lines(
                    "Rows of the router",
                    "How large are claims and the other tables that grow with the load?",
                    Unit.NUMBER,
                    query(largest("tocsin_table_rows", by="table"), "{{table}}"),
                ),
                lines(
                    "Series of each process",
                    "What does watching it cost Prometheus?",
                    Unit.NUMBER,
                    query(f"max by (instance) (scrape_samples_scraped{{{OURS}}})", "{{instance}}"),
                ),
            ),
        ),
    ),
)  # fmt: skip
