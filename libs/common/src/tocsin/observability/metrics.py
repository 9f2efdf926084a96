"""Every metric of the project, a line each; nothing else defines one.

Labels are bounded: `component` is the kebab-case name of a service, `lane` one of three, `kind` a topic family (`events`, `intents`,
`jobs`, `timers`, `status`, `directory`, `stops`, `cancels`, `inbox`, `dead`), `partition` a partition number, `code` and `outcome` come from registries.
A tenant, recipient, message or URL is never a label. Hot paths call `.labels(…)` once and keep the child.
"""

from collections.abc import Iterable
from itertools import product

import prometheus_client

from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram, HistogramWithExemplars

# Else each counter and histogram shows another series, `_created`, which no query of ours reads.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400, 259200)
_HAND_OFF = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
"""The bounds that objectives name, and the lanes' times to live."""
_DELAY = (0.005, 0.01, 0.025, *_HAND_OFF)
_COUNT = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

# fmt: off
# Records
consumed = Counter("tocsin_consumed_records", "Records read from Kafka", ["component", "lane", "kind"])
produced = Counter("tocsin_produced_records", "Records acknowledged by Kafka", ["component", "lane", "kind"])
produce_errors = Counter("tocsin_produce_errors", "Sends that Kafka did not acknowledge, by error class", ["component", "reason"])
producer_bytes = Gauge("tocsin_producer_buffered_bytes", "Bytes handed to a producer and not yet acknowledged", ["component"])
producer_bytes_limit = Gauge("tocsin_producer_buffered_limit_bytes", "Bytes that a producer may hold; beyond, nothing more is taken", ["component"])
processed = Counter("tocsin_processed_messages", "Records that the router, the scheduler and the ledger have dealt with, by what came of them", ["component", "lane", "outcome"])
stage_seconds = Histogram("tocsin_stage_seconds", "Seconds spent in one stage of handling a batch or message", ["component", "lane", "stage"], buckets=_SECONDS)
decision_delay_seconds = Histogram("tocsin_decision_delay_seconds", "Seconds from the event's Kafka time to the router's first decision about a notification", ["lane"], buckets=_DELAY)
ledger_delay_seconds = Histogram("tocsin_ledger_delay_seconds", "Seconds from a status record's Kafka time to its row in the ledger", ["lane"], buckets=_DELAY)
timer_lateness_seconds = Histogram("tocsin_timer_lateness_seconds", "Seconds between the moment at which a timer was due and the transaction that wrote its record", ["lane"], buckets=_AGE)
pending_timers = Gauge("tocsin_pending_timers", "Timers that this process keeps and that are not fired yet", ["lane"])
oldest_due_timer_seconds = Gauge("tocsin_oldest_due_timer_seconds", "Seconds for which the oldest timer has been due that is not written yet; 0 when none is due", ["lane"])
batch_records = Histogram("tocsin_batch_records", "Records in one batch", ["component", "lane"], buckets=_COUNT)
dead_letters = Counter("tocsin_dead_letters", "Records set aside as dead letters, by reason code", ["component", "lane", "reason"])
dead_letters_by_source = Counter("tocsin_dead_letters_by_source", "Events set aside as dead letters, by their source as the producer writes it: of sources that came ten times, at most 200, of which one that has not come for a day gives way to another; all others are other, none where the record names no source", ["lane", "source"])
overdue_notifications = Gauge("tocsin_overdue_notifications", "Notifications past their expiry of which a delivery has no final status; every ledger shows all of them, so take the maximum", ["lane"])
open_redrives = Gauge("tocsin_open_redrives", "Re-drives that run or are paused; the ledger that works on them tells", ["state"])
redriven = Counter("tocsin_redriven", "What re-drives came to: written for the router, or not possible because its event is not kept", ["outcome"])

# The way to Kafka
kafka_request_seconds = Histogram("tocsin_kafka_request_seconds", "Seconds from a request to Kafka until its answer, by Kafka's name of the request; fetch waits at the broker until there is something to read, join_group for the other members", ["request"], buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30))
kafka_connects = Counter("tocsin_kafka_connects", "Connections to brokers, by whether they came about (connected, failed)", ["outcome"])
kafka_connections_lost = Counter("tocsin_kafka_connections_lost", "Connections to brokers that we did not close ourselves, by cause (broken, no_answer, out_of_sync, login_refused)", ["cause"])

# Position in the log
lag_messages = Gauge("tocsin_lag_messages", "Records behind the end of the partition", ["component", "lane", "kind", "partition"])
lag_seconds = Gauge("tocsin_lag_seconds", "Age of the oldest record not handled yet; 0 when none waits", ["component", "lane", "kind", "partition"])
stable_offset_age_seconds = Gauge("tocsin_last_stable_offset_age_seconds", "Seconds for which the last stable offset has not moved although records follow it", ["component", "lane", "kind", "partition"])
unusable_offsets = Gauge("tocsin_unusable_offsets", "Partitions that are not read until `tocsin topics apply` was run, because their committed offset is no longer kept or cannot be read", ["component", "lane"])
records_lost = Counter("tocsin_records_lost", "Records that were no longer kept when they were to be read, and whose loss a person has accepted", ["component", "lane", "kind"])
paused_partitions = Gauge("tocsin_paused_partitions", "Partitions assigned and not being read", ["component", "lane"])

# Groups, as the witness sees them from outside
group_lag_messages = Gauge("tocsin_group_lag_messages", "Records that a consumer group has not committed, whether it has members or not; marks of transactions among them", ["component", "lane", "kind"])
group_oldest_seconds = Gauge("tocsin_group_oldest_seconds", "Age of the oldest record that a consumer group has not committed; 0 when nothing has waited longer than one look of the witness", ["component", "lane", "kind"])
group_members = Gauge("tocsin_group_members", "Members of a consumer group", ["component", "lane"])
group_unseen_partitions = Gauge("tocsin_group_unseen_partitions", "Partitions of which the witness cannot see what a consumer group leaves unread, because no broker leads them, or none coordinates the group; of these the last values stand, and ages go on", ["component", "lane", "kind"])
witness_up = Gauge("tocsin_witness_up", "1 while the witness sees the groups; while it does not, its other values are those of its last look, and ages go on", ["component"])
witness_look_age_seconds = Gauge("tocsin_witness_look_age_seconds", "Seconds since the witness last saw all groups, or since its start where it never did", ["component"])

# Logs
log_lines_suppressed = Counter("tocsin_log_lines_suppressed", "Log lines not written, because the same sentence had been written often within a minute")

# Traces
traces_not_recorded = Counter("tocsin_traces_not_recorded", "Requests and records whose caller asked for a trace, and that were not recorded, because this process had recorded TRACES_PER_SECOND within the second")

# Ownership
shards_held = Gauge("tocsin_shards_held", "Shards owned by this process", ["component", "lane"])
shards = Gauge("tocsin_shards", "Shards that the lane has, over all processes; of groups that have shards", ["component", "lane"])
rebalances = Counter("tocsin_rebalances", "Assignments received", ["component", "lane"])
shard_acquire_seconds = Histogram("tocsin_shard_acquire_seconds", "Seconds from assignment to reading", ["component", "lane"], buckets=_SECONDS)
rejoins = Counter("tocsin_rejoins", "Times a group was joined anew after this process lost its shards, by how it lost them (expelled, fenced, lease, transaction, drain, standstill)", ["component", "lane", "cause"])
read_back_seconds = Histogram("tocsin_read_back_seconds", "Seconds to read the outcomes of former owners back before the first job is taken", ["component", "lane"], buckets=_SECONDS)
read_back_records = Counter("tocsin_read_back_records", "Records of the outcome log that were read back", ["component", "lane"])
jobs_ended_before = Counter("tocsin_jobs_ended_before", "Jobs read again and not taken up, because their outcome stood on the outcome log", ["component", "lane"])
in_flight = Gauge("tocsin_in_flight", "Messages taken and not finished", ["component", "lane"])
in_flight_limit = Gauge("tocsin_in_flight_limit", "Messages that the partitions held here may have taken and not finished: at one partition's limit no more is read of its shard", ["component", "lane"])
in_flight_bytes = Gauge("tocsin_in_flight_bytes", "Bytes of the messages taken and not finished", ["component", "lane"])
in_flight_bytes_limit = Gauge("tocsin_in_flight_limit_bytes", "Bytes that the shards held here may have taken and not finished", ["component", "lane"])
transaction_seconds = Histogram("tocsin_transaction_seconds", "Seconds of one Kafka transaction, from begin to commit", ["component", "lane"], buckets=_SECONDS)
transactions = Counter("tocsin_transactions", "Kafka transactions, by outcome", ["component", "lane", "outcome"])

# Replicas of topics that are read whole
replica_caught_up = Gauge("tocsin_replica_caught_up", "1 once the topic was read to its end and is being followed", ["component", "kind"])
replica_records = Counter("tocsin_replica_records", "Records applied to a replica", ["component", "kind"])
copy_age_seconds = Gauge("tocsin_copy_age_seconds", "Age of a copy that hand-offs rest on: it holds everything published until so many seconds ago", ["component", "kind"])
refused_revisions = Gauge("tocsin_refused_revisions", "Revisions of workflows and templates refused because a process ended while it ran them", ["component"])
directory_entities = Gauge("tocsin_directory_entities", "Entities held from the directory, by entity kind", ["component", "entity"])
directory_outbox = Gauge("tocsin_directory_outbox_rows", "Changes not yet published to the directory topic: single ones (single), and those of imports (import), which are published after them", ["component", "change"])
directory_outbox_age = Gauge("tocsin_directory_outbox_age_seconds", "Age of the oldest change not yet published, a single one or one of an import; 0 when none waits", ["component", "change"])
directory_late = Counter("tocsin_directory_late", "Times the copy of the directory did not reach the end it had at that moment within a second; what followed was decided by an older copy", ["component"])
recipient_versions = Gauge("tocsin_recipient_versions", "Recipients' versions held from stops, 16 bytes each", ["component"])
cancellations_held = Gauge("tocsin_cancellations_held", "Cancellations held from cancels, 28 bytes each", ["component"])
cancellations_unreadable = Counter("tocsin_cancellations_unreadable", "Records of cancels that could not be read and were passed over", ["component"])
versions_forgotten = Counter("tocsin_recipient_versions_forgotten", "Records of stops whose end was queued, because no job decided before can still be sent")
directory_set_aside = Counter("tocsin_directory_set_aside", "Entities not published because their topic does not take their size, or no record can hold their row", ["component", "entity"])

# Taking in
ingest_accepted = Counter("tocsin_ingest_accepted_events", "Events acknowledged by Kafka and answered with 202", ["lane"])
api_keys_expiring = Gauge("tocsin_api_keys_expiring", "Working API keys that end within that time (1d, 7d, 30d) and that no key was made to replace; every API of the router shows all of them", ["within"])
ingest_refused = Counter("tocsin_ingest_refused_events", "Events refused, by problem code", ["code"])

# Deciding
decisions = Counter("tocsin_decisions", "What the router decided, by status and rule", ["lane", "status", "rule"])
workflow_notifications = Counter("tocsin_workflow_notifications", "Notifications decided, by the key of their workflow and the outcome (decided: each channel has an end of its own): of the first 200 keys of published workflows, by name; all others are other", ["lane", "workflow", "outcome"])
render_seconds = Histogram("tocsin_render_seconds", "Seconds to render one message", ["channel"], buckets=(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1))
trials = Counter("tocsin_trials", "Programs of tenants tried in a child process before they are saved, and previews, by outcome (answered, exceeded, busy, not_started)", ["outcome"])
trial_seconds = Histogram("tocsin_trial_seconds", "Seconds of one trial", buckets=_SECONDS)
cancellations = Counter("tocsin_cancellations", "Cancellations and what they came to: requested, duplicate, held (a message that was not sent), uncertain (one that may have been sent before)", ["component", "result"])
claims = Counter("tocsin_claims", "Event identities claimed, by outcome", ["lane", "outcome"])
suppressions = Counter("tocsin_suppressions", "Addresses that were suppressed because of what providers said, by channel and cause (bounce, complaint, gone)", ["channel", "cause"])
lessons_ignored = Counter("tocsin_lessons_ignored", "What providers said of addresses without effect, by reason (test: of a test key's message, no_address, hash: not one of our keys, malformed, tenant and category: there is none)", ["reason"])
expired_rows_deleted = Counter("tocsin_expired_rows_deleted", "Rows deleted because their time had passed: the router's claims, quotas, throttles, cancellations and soft_bounces, and the items of inboxes", ["table"])
table_rows = Gauge("tocsin_table_rows", "Rows of the router's growing tables (claims, throttles, cancellations, suppressions), as PostgreSQL estimates them; every worker shows the same", ["table"])
sweep_age_seconds = Gauge("tocsin_sweep_age_seconds", "Seconds since this process last found no expired row left, or since its start", ["table"])

# Handing over
deliveries = Counter("tocsin_deliveries", "Deliveries that a dispatcher ended, counted once their outcome is stored: by the provider asked last (none), the reason (none; of what was given up or expired after calls, that of the last one), and whose fault it was (none, recipient, provider, owner, us)", ["channel", "lane", "provider", "status", "reason", "fault"])
hand_off_seconds = HistogramWithExemplars("tocsin_hand_off_seconds", "Seconds from the event's Kafka time, or the time at which it was due, to the provider's last answer, by how the delivery ended; without test messages, re-drives and what waited for its tenant's quota", ["channel", "lane", "outcome"], buckets=_HAND_OFF)
sends = Counter("tocsin_sends", "Calls to a provider, by answer", ["channel", "lane", "provider", "outcome"])
send_seconds = Histogram("tocsin_send_seconds", "Seconds of one call to a provider", ["channel", "lane", "provider"], buckets=_SECONDS)
send_retries = Counter("tocsin_send_retries", "Attempts made again in process", ["channel", "lane", "provider"])
deferrals = Counter("tocsin_deferrals", "Deliveries put off because no provider took them, by what the last one said, or given back to the router (recheck)", ["component", "lane", "reason"])
deferral_seconds = Histogram("tocsin_deferral_seconds", "Seconds for which such a delivery waits until its next attempt", ["component", "lane"], buckets=_AGE)
failovers = Counter("tocsin_failovers", "Messages tried at the next provider at once, by the one that did not take them and whether it may have all the same (uncertain)", ["channel", "lane", "provider", "uncertain"])
resends = Counter("tocsin_resends", "Calls to a provider for a message that it may have already, by what a second send does there (once, collapse, none)", ["channel", "lane", "provider", "idempotency"])
breakers = Gauge("tocsin_breakers", "Breakers of a provider that are open or half open: calls to it, or to so many of its far ends, are held back", ["channel", "provider", "state"])
breaker_openings = Counter("tocsin_breaker_openings", "Times a provider that worked was found not to, by cause (credentials, failures)", ["channel", "provider", "cause"])
no_provider_works = Gauge("tocsin_no_provider_works", "1 while no provider of this process works: the breaker of each is open or half open, whether something waits here or not", ["component"])
paused = Gauge("tocsin_paused", "1 while no provider of this process works and no more messages are read", ["component"])
sent_on_stale_copy = Counter("tocsin_sent_on_stale_copy", "Calls to a provider for required messages while the copy of stops or cancels was too old for optional ones", ["component", "lane"])
waiting_for_copy = Gauge("tocsin_waiting_for_copy", "Optional messages that wait until the copies of stops and cancels are young enough", ["component", "lane"])
being_prepared = Gauge("tocsin_being_prepared", "Messages that wait for what they need before they can be handed over, such as attachments that have to be fetched", ["component", "lane"])
attachment_fetches = Counter("tocsin_attachment_fetches", "Attachments that a message needed, by what came of it: fetched, cached, unreachable, changed or refused", ["result"])
attachment_fetch_seconds = Histogram("tocsin_attachment_fetch_seconds", "Seconds until an attachment was here, or was given up; of those that were asked for", buckets=_SECONDS)
attachment_bytes = Gauge("tocsin_attachment_bytes", "Memory that attachments take or have reserved in this process: cached, held for messages that are about to be sent, or in mails being composed", ["state"])
inbox_items_stored = Counter("tocsin_inbox_items_stored", "Items written to inboxes: new ones, and repeated ones, which stood already", ["result"])
inbox_streams = Gauge("tocsin_inbox_streams", "Streams of inboxes that this process holds open")
inbox_streams_waiting = Gauge("tocsin_inbox_streams_waiting", "Streams of inboxes that wait for their turn to read their box")
inbox_oldest_change_seconds = Gauge("tocsin_inbox_oldest_change_seconds", "Age of the oldest thing that a recipient did with an item and that is not told to status yet; 0 when none waits")
provider_connections = Gauge("tocsin_provider_connections", "Open connections to a provider", ["channel", "provider"])
provider_calls = Gauge("tocsin_provider_calls", "Calls to a provider under way", ["channel", "provider"])
provider_places = Gauge("tocsin_provider_places", "Calls to a provider that may be under way at once (max_in_flight)", ["channel", "provider"])

# Receipts
receipts = Counter("tocsin_receipts", "What providers told of messages that they had taken, counted once it is stored, by status; noted is what changes nothing, such as a try that the provider makes again", ["channel", "provider", "status"])
receipts_refused = Counter("tocsin_receipts_refused", "Callbacks, or events of one, that came to no status, by cause (signature, stale, replayed, topic, unreadable, ref: it bears no ref of ours, instance: no provider instance of that name takes receipts)", ["channel", "provider", "cause"])

# The process
build_info = Gauge("tocsin_build_info", "1; which release runs, and the commit that it was built from", ["component", "version", "commit"])
last_exit = Gauge("tocsin_last_exit_info", "1; how the process before this one ended in the same place: finished, failed, operator_must_act, ownership_lost, too_slow, second_signal, killed (without a word: SIGKILL, no memory, the machine), none (there was none)", ["component", "reason"])
opened_at = Gauge("tocsin_opened_timestamp_seconds", "Unix time at which all parts of the process had opened, and its work began", ["component"])
http_requests = Counter("tocsin_http_requests", "HTTP requests answered", ["component", "method", "route", "status"])
http_seconds = Histogram("tocsin_http_seconds", "Seconds from a request's headers to its last byte", ["component", "method", "route"], buckets=_SECONDS)
authentication_failures = Counter("tocsin_authentication_failures", "Requests without an API key that works, by reason (missing, malformed, unknown, mismatch, expired)", ["component", "reason"])
http_in_flight = Gauge("tocsin_http_in_flight", "HTTP requests being answered", ["component"])
http_connections = Gauge("tocsin_http_connections", "Connections of callers to the API", ["component"])
http_connections_limit = Gauge("tocsin_http_connections_limit", "Connections to the API at most; for one more, that which has waited longest for its caller is closed", ["component"])
http_bodies_bytes = Gauge("tocsin_http_bodies_bytes", "Bytes of request bodies held until their requests are answered", ["component"])
http_bodies_bytes_limit = Gauge("tocsin_http_bodies_limit_bytes", "Bytes of request bodies that may be held at once", ["component"])
loop_lag_seconds = Histogram("tocsin_event_loop_lag_seconds", "Seconds by which a timer on the event loop was late", ["component"], buckets=_SECONDS)
database_connections = Gauge("tocsin_database_connections", "Database connections in use", ["component"])
database_connections_limit = Gauge("tocsin_database_connections_limit", "Database connections in the pool at most; who needs one more waits", ["component"])
database_waiters = Gauge("tocsin_database_waiters", "Who waits for a database connection because all of the pool are in use", ["component"])
certificate_seconds_left = Gauge("tocsin_certificate_seconds_left", "Seconds until the first certificate of a file ends that this process was given, by what it is for (kafka, kafka_authorities, database_authorities, provider_…); below 0: it has ended; NaN: it cannot be read", ["certificate"])
ready = Gauge("tocsin_ready", "1 while a readiness check passes", ["component", "check"])
# fmt: on


def begin_at_zero(metric: Counter, *values: Iterable[str]) -> None:
    """Show each combination of these label values from now on, so that the first of them to be counted is seen as an increase."""
    for combination in product(*values):
        metric.labels(*combination)
