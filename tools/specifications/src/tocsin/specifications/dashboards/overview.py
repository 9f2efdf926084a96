"""Is everybody served? The four golden signals, by lane."""

from tocsin.specifications.alerts.objectives import (
    COUNTED,
    MISSED,
    NOT_SENT,
    OBJECTIVES,
    TO_BE_SENT,
    TO_INGEST,
)
from tocsin.specifications.dashboards.panels import WINDOW, Dashboard, Row, Unit, lines, number
from tocsin.specifications.dashboards.queries import (
    LANES,
    OURS,
    how_many,
    largest,
    quantile,
    query,
    rate,
    total,
)
from tocsin.specifications.dashboards.shared_panels import IN_FLIGHT

_IN_TIME = [
    query(
        f'1 - {MISSED}{{objective="late", lane="{objective.lane}"}} / ({COUNTED}{{objective="late", lane="{objective.lane}"}} > 0)',
        f"{objective.lane}, {objective.within:g} s",
    )
    for objective in OBJECTIVES
    if objective.within is not None
]
_NOT_SENT = f"{rate('tocsin_deliveries_total', by='lane', where=NOT_SENT)} / {rate('tocsin_deliveries_total', by='lane', where=TO_BE_SENT)}"
_FAILED = f'sum(rate(tocsin_http_requests_total{{{TO_INGEST},status=~"5.."}}[{WINDOW}])) or vector(0)'
_ALL = f"sum(rate(tocsin_http_requests_total{{{TO_INGEST}}}[{WINDOW}]))"

OVERVIEW = Dashboard(
    name="overview",
    title="Overview",
    question="Is everybody served, on time and without errors, and is there room for more?",
    rows=(
        Row(
            title="Now",
            panels=(
                number("Processes down", "Which of our processes does Prometheus not reach?", how_many(f"up{{{OURS}}} == 0")),
                number("Groups without members", "Is there a lane that nobody serves?", how_many("tocsin_group_members == 0")),
                number(
                    "Shards without owner",
                    "Is a part of a lane read by nobody?",
                    f"sum({largest('tocsin_shards', by='component, lane')} - {total('tocsin_shards_held', by='component, lane')})",
                ),
                number("Checks that fail", "Does a process say that it is not ready?", how_many("tocsin_ready == 0")),
                number("Breakers open", "Is a provider left alone, because it does not work?", "sum(tocsin_breakers) or vector(0)"),
                number(
                    "Past expiry, end unknown",
                    "Were messages accepted of which nobody knows how they ended?",
                    f"sum({largest('tocsin_overdue_notifications', by='lane')})",
                ),
            ),
        ),
        Row(
            title="Latency",
            panels=(
                lines("Handed over in time", "Which share of each lane's messages is handed over within its objective?", Unit.SHARE, *_IN_TIME),
                lines(
                    "Time to hand over, p99",
                    "How long from the event to the provider's answer, for all but one of a hundred; which message took that long?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_hand_off_seconds", by="lane")),
                    exemplars=True,
                ),
                lines(
                    "Oldest unread record",
                    "For how long has any group of the lane left its oldest record unread? Told by the witness, so also of a group that is frozen or gone.",
                    Unit.SECONDS,
                    query(largest("tocsin_group_oldest_seconds", by="lane", where=LANES)),
                ),
            ),
        ),
        Row(
            title="Traffic",
            panels=(
                lines(
                    "Events taken in",
                    "How many events come, over HTTP and from Kafka?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_consumed_records_total", by="lane", where='component="router", kind="events"')),
                ),
                lines(
                    "Messages handed over",
                    "How many messages do providers take?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_deliveries_total", by="lane", where='status="sent"')),
                ),
                lines(
                    "Requests to ingest",
                    "How many requests come, and how are they answered?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_http_requests_total", by="status", where='component="ingest"'), "{{status}}"),
                ),
            ),
        ),
        Row(
            title="Errors",
            panels=(
                lines("Not sent, by our or a provider's fault", "Which share was not sent although the recipient's address is right?", Unit.SHARE, query(_NOT_SENT)),
                lines(
                    "Dead letters",
                    "How many records could not be handled?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_dead_letters_total", by="lane", where=LANES)),
                ),
                lines(
                    "Requests that failed (5xx)",
                    "Which share of requests to ingest is answered with an error of ours?",
                    Unit.SHARE,
                    query(f"({_FAILED}) / {_ALL}", "5xx"),
                ),
            ),
        ),
        Row(
            title="Saturation",
            panels=(
                lines(
                    "Unread records",
                    "How large is the backlog of each lane? Marks of transactions are counted, too: some tens are none.",
                    Unit.NUMBER,
                    query(total("tocsin_group_lag_messages", by="lane", where=LANES)),
                ),
                IN_FLIGHT,
                lines(
                    "Event loop late, p99",
                    "Which service is short of processor time?",
                    Unit.SECONDS,
                    query(quantile(0.99, "tocsin_event_loop_lag_seconds", by="component"), "{{component}}"),
                ),
            ),
        ),
    ),
)  # fmt: skip
