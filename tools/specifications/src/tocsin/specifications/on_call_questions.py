"""What a person on call asks of more than one metric, or of a part of one, and the expression that answers."""

from typing import Final

from tocsin.specifications.alerts.objectives import COUNTED, MISSED, NOT_SENT, TO_BE_SENT, TO_INGEST

_SENDING: Final = 'provider!="sandbox"'
"""Messages of test keys go to the sandbox, and say nothing of providers."""
_CRITICAL: Final = 'objective="late", lane="critical"'

ON_CALL: Final = {
    "Which share of critical messages was handed over within 10 s?": f"1 - {MISSED}{{{_CRITICAL}}} / ({COUNTED}{{{_CRITICAL}}} > 0)",
    "How long from acceptance to hand-over, for all but one of a hundred?": "histogram_quantile(0.99, sum by (channel, lane, le) (rate(tocsin_hand_off_seconds_bucket[5m])))",
    "Which share does each provider take of what is not the recipient's fault?": f'sum by (channel, provider) (rate(tocsin_deliveries_total{{status="sent", {_SENDING}}}[5m])) / sum by (channel, provider) (rate(tocsin_deliveries_total{{{TO_BE_SENT}}}[5m]))',
    "Which share was not sent although the recipient's address is right, by cause?": f"sum by (fault, reason) (rate(tocsin_deliveries_total{{{NOT_SENT}}}[5m])) / on () group_left () sum (rate(tocsin_deliveries_total{{{TO_BE_SENT}}}[5m]))",
    "How does each provider answer: accepted, throttled, errors?": "sum by (channel, provider, outcome) (rate(tocsin_sends_total[5m]))",
    "Is a provider's `max_in_flight` what holds messages up?": "sum by (channel, provider) (tocsin_provider_calls) / sum by (channel, provider) (tocsin_provider_places)",
    "Which share of requests to ingest fails?": f'(sum (rate(tocsin_http_requests_total{{{TO_INGEST}, status=~"5.."}}[5m])) or vector(0)) / sum (rate(tocsin_http_requests_total{{{TO_INGEST}}}[5m]))',
    "Is there a lane that nobody serves?": "min by (component, lane) (tocsin_group_members)",
    "Is a part of a lane read by nobody: how many of its shards are held?": "sum by (component, lane) (tocsin_shards_held) - on (component, lane) max by (component, lane) (tocsin_shards)",
    "Which group is behind, and for how long?": "max by (component, lane, kind) (tocsin_group_oldest_seconds)",
    "How large is each group's backlog?": "max by (component, lane, kind) (tocsin_group_lag_messages)",
    "Does an open transaction hold up a partition?": "max by (component, lane, kind, partition) (tocsin_last_stable_offset_age_seconds)",
    "Do members come and go more often than we roll out?": "sum by (component, lane) (increase(tocsin_rebalances_total[15m]))",
    "Does a process lose its shards, and by what?": "sum by (component, lane, cause) (increase(tocsin_rejoins_total[1h]))",
    "Which records could not be handled, and why?": "sum by (component, lane, reason) (rate(tocsin_dead_letters_total[5m]))",
    "How many duplicates do producers send?": 'sum by (lane) (rate(tocsin_claims_total{outcome="duplicate"}[5m]))',
    "How many messages does one event become?": 'sum by (lane) (rate(tocsin_produced_records_total{component="router", kind="jobs"}[5m])) / sum by (lane) (rate(tocsin_consumed_records_total{component="router", kind="events"}[5m]))',
    "Which service is short of processor time?": "histogram_quantile(0.99, sum by (component, le) (rate(tocsin_event_loop_lag_seconds_bucket[5m])))",
    "How near are dispatchers to the number at which reading stops?": "sum by (component, lane) (tocsin_in_flight) / (sum by (component, lane) (tocsin_in_flight_limit) > 0)",
    "Do statements wait because all connections to PostgreSQL are in use?": "sum by (component) (tocsin_database_connections) / sum by (component) (tocsin_database_connections_limit)",
    "Is PostgreSQL slow?": 'histogram_quantile(0.99, sum by (component, stage, le) (rate(tocsin_stage_seconds_bucket{component=~"router|ledger", stage=~"claim|look_up|store"}[5m])))',
    "Is Kafka slow to commit?": "histogram_quantile(0.99, sum by (component, lane, le) (rate(tocsin_transaction_seconds_bucket[5m])))",
    "Does Kafka refuse or miss what we write?": "sum by (component, reason) (rate(tocsin_produce_errors_total[5m]))",
    "For how long has a change (an unsubscribe, too) not been in force?": 'max (tocsin_directory_outbox_age_seconds{change="single"})',
    "Do claims pile up, because expired ones are not deleted as fast?": 'min (tocsin_sweep_age_seconds{table="claims"})',
    "How far do timelines lag behind what happened?": "histogram_quantile(0.99, sum by (lane, le) (rate(tocsin_ledger_delay_seconds_bucket[5m])))",
    "Were messages accepted of which nobody knows how they ended?": "max by (lane) (tocsin_overdue_notifications)",
    "Will a certificate end soon?": "min by (certificate) (tocsin_certificate_seconds_left)",
    "Which processes were started again in the last 15 minutes after a bad end, and by what?": 'tocsin_last_exit_info{reason!~"finished|none"} and on (job, instance) (time() - process_start_time_seconds < 900)',
    "How long does a start take, until copies are read and the work begins?": "max by (component) (tocsin_opened_timestamp_seconds - on (job, instance) group_left () process_start_time_seconds)",
    "How many releases run side by side?": "count(count by (version, commit) (tocsin_build_info))",
    "Which check keeps a process from being ready?": "min by (component, check) (tocsin_ready)",
}
"""Question → PromQL."""
