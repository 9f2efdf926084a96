"""Where on its way does a lane lose time? Step by step, from the event to the ledger."""

from tocsin.contracts.vocabulary import Lane
from tocsin.specifications.dashboards.panels import Choice, Dashboard, Row, Unit, lines
from tocsin.specifications.dashboards.queries import largest, median_and_99th, query, rate, total

_LANE = 'lane=~"$lane"'
_WAY = "component, kind"

LANE = Dashboard(
    name="lane",
    title="Lane",
    question="Where on its way does a lane lose time, and what becomes of its messages?",
    choices=(Choice(name="lane", title="Lane", metric="tocsin_hand_off_seconds_count", begins_with=Lane.CRITICAL),),
    rows=(
        Row(
            title="Its objectives",
            panels=(
                lines(
                    "Burn of the budgets",
                    "How fast is what may miss an objective used up? At 1 it lasts for 30 days, at 14.4 for two.",
                    Unit.NUMBER,
                    query(f"tocsin:objective_burn:5m{{{_LANE}}}", "{{lane}} {{objective}}"),
                    width=12,
                ),
                lines(
                    "Budgets left, of 30 days",
                    "How much of what may miss an objective is left?",
                    Unit.SHARE,
                    query(f"tocsin:objective_budget_left:30d{{{_LANE}}}", "{{lane}} {{objective}}"),
                    width=12,
                    empty="The rules tell it some minutes after Prometheus' start.",
                ),
            ),
        ),
        Row(
            title="How much, how fast",
            panels=(
                lines(
                    "Records read, by step",
                    "Is every step read as fast as the one before it?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_consumed_records_total", by=_WAY, where=_LANE), "{{component}} {{kind}}"),
                ),
                lines(
                    "Delay up to each step",
                    "How old is an event when it is decided, handed over, and in its timeline?",
                    Unit.SECONDS,
                    *median_and_99th("tocsin_decision_delay_seconds", by="lane", where=_LANE, legend="decided"),
                    *median_and_99th("tocsin_hand_off_seconds", by="lane", where=_LANE, legend="handed over"),
                    *median_and_99th("tocsin_ledger_delay_seconds", by="lane", where=_LANE, legend="status in the ledger"),
                    exemplars=True,
                ),
                lines(
                    "Time of each stage, p99",
                    "Which stage takes the time: ours, the database's or the provider's?",
                    Unit.SECONDS,
                    median_and_99th("tocsin_stage_seconds", by="component, stage", where=_LANE, legend="{{component}} {{stage}}")[0],
                ),
            ),
        ),
        Row(
            title="What waits",
            panels=(
                lines(
                    "Oldest unread record, by group",
                    "Which group is behind, and for how long?",
                    Unit.SECONDS,
                    query(largest("tocsin_group_oldest_seconds", by=_WAY, where=_LANE), "{{component}} {{kind}}"),
                ),
                lines(
                    "Unread records, by group",
                    "How large is each group's backlog?",
                    Unit.NUMBER,
                    query(total("tocsin_group_lag_messages", by=_WAY, where=_LANE), "{{component}} {{kind}}"),
                ),
                lines(
                    "Waiting for their time",
                    "How many messages are scheduled or tried again later, and is the scheduler behind?",
                    Unit.NUMBER,
                    query(total("tocsin_pending_timers", by="lane", where=_LANE), "{{lane}} timers"),
                    query(largest("tocsin_oldest_due_timer_seconds", by="lane", where=_LANE), "{{lane}} oldest due, s"),
                ),
            ),
        ),
        Row(
            title="What becomes of messages",
            panels=(
                lines(
                    "Ends of deliveries",
                    "How do deliveries end, and whose fault is it?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_deliveries_total", by="status, fault", where=_LANE), "{{status}}, fault: {{fault}}"),
                ),
                lines(
                    "Decisions, by rule",
                    "Why is something not sent?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_decisions_total", by="status, rule", where=_LANE), "{{status}} {{rule}}"),
                ),
                lines(
                    "Put off, by reason",
                    "Why are deliveries tried again later?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_deferrals_total", by="reason", where=_LANE), "{{reason}}"),
                ),
                lines(
                    "Dead letters, by reason",
                    "Which records could not be handled, and why?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_dead_letters_total", by="component, reason", where=_LANE), "{{component}} {{reason}}"),
                ),
                lines(
                    "Claims",
                    "How many duplicates do producers send?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_claims_total", by="outcome", where=_LANE), "{{outcome}}"),
                ),
                lines(
                    "Records of a batch, p99",
                    "Do batches grow, because a service works off a backlog?",
                    Unit.NUMBER,
                    median_and_99th("tocsin_batch_records", by="component", where=_LANE, legend="{{component}}")[0],
                ),
            ),
        ),
        Row(
            title="Whose messages",
            panels=(
                lines(
                    "Notifications, by workflow",
                    "Which workflow sends how much, and which has stopped?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_workflow_notifications_total", by="workflow, outcome", where=_LANE), "{{workflow}} {{outcome}}"),
                    width=16,
                ),
                lines(
                    "Dead letters, by source",
                    "Who sends what cannot be handled?",
                    Unit.PER_SECOND,
                    query(rate("tocsin_dead_letters_by_source_total", by="source", where=_LANE), "{{source}}"),
                    empty="A source is shown once ten of its events were set aside.",
                ),
            ),
        ),
        Row(
            title="Who works on it",
            panels=(
                lines(
                    "Members of each group",
                    "Does anybody serve this lane?",
                    Unit.NUMBER,
                    query(largest("tocsin_group_members", by="component", where=_LANE), "{{component}}"),
                ),
                lines(
                    "Shards held",
                    "Who works on which part of the lane?",
                    Unit.NUMBER,
                    query(total("tocsin_shards_held", by="component, instance", where=_LANE), "{{component}} at {{instance}}"),
                ),
                lines(
                    "Rebalances within 15 minutes",
                    "Do members come and go more often than we roll out?",
                    Unit.NUMBER,
                    query(f"sum by (component) (increase(tocsin_rebalances_total{{{_LANE}}}[15m]))", "{{component}}"),
                ),
            ),
        ),
    ),
)  # fmt: skip
