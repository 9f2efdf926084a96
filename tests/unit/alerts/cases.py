"""For each alert: series at which it fires, in promtool's notation (`0+5x40`: 0, 5, 10 … 40 times), and series that look alike at which it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

Series = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """At `at` the alert fires, with these labels beside its severity, if `fires`; else it does not, whatever its labels."""

    alert: str
    series: Series
    at: str
    fires: Mapping[str, str] | None
    what: str = ""
    step: str = "15s"
    """How far the values of the series are apart."""
    every: str = "15s"
    """How often the rules are judged."""


def fires(alert: str, at: str, series: Series, **labels: str) -> Case:
    return Case(alert=alert, at=at, series=series, fires=labels)


def calm(alert: str, at: str, what: str, series: Series) -> Case:
    return Case(alert=alert, at=at, series=series, fires=None, what=what)


def within_hours(case: Case) -> Case:
    return replace(case, every="30s")


def within_days(case: Case) -> Case:
    """Rates are judged too seldom here, so that of what was missed a sixtieth is counted."""
    return replace(case, step="2m", every="30m")


def handed_over(lane: str, sent: str, in_time: str, le: str) -> Series:
    about = f'channel="email",lane="{lane}",outcome="sent"'
    return {
        f"tocsin_hand_off_seconds_count{{{about}}}": sent,
        f'tocsin_hand_off_seconds_bucket{{{about},le="{le}"}}': in_time,
    }


def ended(lane: str, status: str, reason: str, fault: str) -> str:
    return f'tocsin_deliveries_total{{channel="email",lane="{lane}",provider="main",status="{status}",reason="{reason}",fault="{fault}"}}'


def group(metric: str, component: str, lane: str, kind: str = "") -> str:
    labels = f'component="{component}",lane="{lane}"' + (f',kind="{kind}"' if kind else "")
    return f'tocsin_group_{metric}{{instance="witness",{labels}}}'


def oldest(component: str, lane: str, kind: str, seconds: str, *, look_age: str = "0x60") -> Series:
    """What the witness sees to wait, and how long ago it saw it."""
    return {group("oldest_seconds", component, lane, kind): seconds, LOOK_AGE: look_age}


def requests(status: str) -> str:
    return (
        f'tocsin_http_requests_total{{component="ingest",method="POST",route="/v1/events",status="{status}"}}'
    )


def process(component: str, instance: str = "a") -> str:
    return f'tocsin_build_info{{component="{component}",version="1",commit="c",instance="{instance}"}}'


def api(component: str, instance: str = "a") -> str:
    """What only a process shows that answers an API."""
    return f'tocsin_http_connections_limit{{component="{component}",instance="{instance}"}}'


LOOK_AGE = 'tocsin_witness_look_age_seconds{component="ledger",instance="witness"}'
OF_CHANGES = 'tocsin_directory_outbox_age_seconds{component="router",change="single",instance="a"}'
OF_THE_FORMER_RELEASE = 'tocsin_directory_outbox_age_seconds{component="router",instance="a"}'
OF_IMPORTS = OF_CHANGES.replace("single", "import")
PUBLISHED = 'tocsin_produced_records_total{component="router",lane="none",kind="directory",instance="a"}'
ALL_PROCESSES = {
    **{process(name): "1x60" for name in ("ingest", "router", "scheduler", "ledger", "dispatch-email")},
    **{api(name): "1000x60" for name in ("ingest", "router", "ledger")},
}
ACCEPTED = 'tocsin_ingest_accepted_events_total{lane="critical"}'
ROUTED = 'tocsin_consumed_records_total{component="router",lane="critical",kind="events"}'
DEAD = 'tocsin_dead_letters_total{component="router",lane="critical",reason="attribute_missing"}'
UNREADABLE = 'tocsin_dead_letters_total{component="router",lane="critical",reason="record_unreadable"}'
REFUSED = 'tocsin_breaker_openings_total{channel="sms",provider="main",cause="credentials"}'
BREAKER = 'tocsin_breakers{channel="sms",provider="main",state="open"}'
PROBE = 'tocsin_breakers{channel="sms",provider="main",state="half_open"}'
PAUSED = 'tocsin_paused{component="dispatch-email",instance="a"}'
NONE_WORKS = 'tocsin_no_provider_works{component="dispatch-email",instance="a"}'
PUT_OFF = (
    'tocsin_deferrals_total{component="dispatch-email",lane="critical",reason="unreachable",instance="a"}'
)
STARTED = 'process_start_time_seconds{job="tocsin-prod/tocsin",instance="a"}'
FREE = 'kubelet_volume_stats_available_bytes{namespace="kafka",persistentvolumeclaim="data-kafka-0"}'
SIZE = 'kubelet_volume_stats_capacity_bytes{namespace="kafka",persistentvolumeclaim="data-kafka-0"}'
CERTIFICATE = 'tocsin_certificate_seconds_left{certificate="kafka",instance="a"}'
KEYS = 'tocsin_api_keys_expiring{within="7d",instance="a"}'
DISK = {"namespace": "kafka", "persistentvolumeclaim": "data-kafka-0"}
MOUNT_FREE = 'node_filesystem_avail_bytes{instance="db",mountpoint="/var/lib/postgresql"}'
MOUNT_SIZE = 'node_filesystem_size_bytes{instance="db",mountpoint="/var/lib/postgresql"}'

OF_HOURS = [
    # 2 % of the critical lane is late: twenty times its budget.
    fires("TocsinLateFast", "1h", handed_over("critical", "0+15x240", "0+14.7x240", "10.0"), objective="late", lane="critical"),
    fires("TocsinLateFast", "1h",
          {**handed_over("bulk", "0+15x240", "0+15x240", "3600.0"), ended("bulk", "expired", "none", "us"): "0+5x240"},
          objective="late", lane="bulk"),
    fires("TocsinLateFast", "1h",
          {**handed_over("critical", "0+15x240", "0+15x240", "10.0"),
           'tocsin_decisions_total{lane="critical",status="expired",rule="expiry"}': "0+5x240"},
          objective="late", lane="critical"),
    calm("TocsinLateFast", "1h", "one of twelve in an hour is late", handed_over("critical", "0x120 0+1x12", "0x121 0+1x11", "10.0")),
    calm("TocsinLateFast", "15m", "three of sixty in the first quarter of an hour are late",
         handed_over("critical", "0+1x63", "0+1x15 15+1x15 30+1x15 45+1x15", "10.0")),
    calm("TocsinLateFast", "2h", "it is over", handed_over("critical", "0+15x480", "0+14.7x240 3528+15x240", "10.0")),
    fires("TocsinUnsentFast", "1h",
          {ended("critical", "sent", "none", "none"): "0+15x240", ended("critical", "failed", "unreachable", "provider"): "0+1x240"},
          objective="unsent", lane="critical"),
    calm("TocsinUnsentFast", "1h", "recipients' own faults",
         {ended("critical", "sent", "none", "none"): "0+15x240", ended("critical", "failed", "address_invalid", "recipient"): "0+9x240"}),
    calm("TocsinUnsentSlow", "1h", "one of sixty in the first hour failed",
         {ended("critical", "sent", "none", "none"): "0+0.25x240", ended("critical", "failed", "unreachable", "provider"): "0x120 1x120"}),
    fires("TocsinUnsentSlow", "1h",
          {ended("critical", "sent", "none", "none"): "0+15x240", ended("critical", "failed", "unreachable", "provider"): "0x120 0+1x30 30x120"},
          objective="unsent", lane="critical"),
    fires("TocsinIngestErrorsFast", "1h", {requests("202"): "0+15x240", requests("503"): "0+1x240"},
          component="ingest", objective="ingest", lane="none"),
    calm("TocsinIngestErrorsFast", "1h", "a probe that says not ready, and callers' own faults",
         {requests("202"): "0+15x240", requests("422"): "0+15x240", requests("503").replace("/v1/events", "/readyz"): "0+5x240"}),
]  # fmt: skip

OF_DAYS = [
    fires("TocsinLateSlow", "26h", handed_over("transactional", "0+300x900", "0+294x900", "60.0"), objective="late", lane="transactional"),
    calm("TocsinLateSlow", "26h", "within the budget", handed_over("transactional", "0+300x900", "0+299x900", "60.0")),
    fires("TocsinUnsentSlow", "26h",
          {ended("bulk", "sent", "none", "none"): "0+300x900", ended("bulk", "unknown", "no_answer", "provider"): "0+12x900"},
          objective="unsent", lane="bulk"),
    fires("TocsinIngestErrorsSlow", "26h", {requests("202"): "0+300x900", requests("500"): "0+1x900"},
          component="ingest", objective="ingest", lane="none"),
]  # fmt: skip

OTHERS = [
    fires("TocsinRecordsWait", "45s", oldest("router", "critical", "events", "0 11+15x20"),
          component="router", lane="critical", kind="events"),
    fires("TocsinRecordsWait", "90s", oldest("dispatch-sms", "transactional", "jobs", "61+15x20"),
          component="dispatch-sms", lane="transactional", kind="jobs"),
    calm("TocsinRecordsWait", "5m", "a lane that is as fast as it must be", oldest("router", "critical", "events", "9x20")),
    calm("TocsinRecordsWait", "5m", "who reads what became of messages", oldest("ledger", "critical", "status", "900x20")),
    calm("TocsinRecordsWait", "5m", "a witness that saw it last when it was young",
         oldest("router", "critical", "events", "2+15x20", look_age="0+15x20")),
    fires("TocsinRecordsWait", "5m", oldest("router", "critical", "events", "30+15x20", look_age="0+15x20"),
          component="router", lane="critical", kind="events"),
    fires("TocsinBulkWaits", "6m", oldest("router", "bulk", "intents", "3700+15x40"),
          component="router", lane="bulk", kind="intents"),
    calm("TocsinBulkWaits", "6m", "bulk may take an hour", oldest("router", "bulk", "intents", "3000x40")),
    fires("TocsinLeaderless", "2m", {group("unseen_partitions", "router", "critical", "events"): "0x4 1x20",
                                     group("unseen_partitions", "router", "critical", "intents"): "0x40"},
          lane="critical", kind="events"),
    fires("TocsinStuckPartition", "1m",
          {'tocsin_last_stable_offset_age_seconds{component="router",lane="bulk",kind="events",partition="3",instance="a"}': "21+15x20"},
          component="router", lane="bulk", kind="events", partition="3"),
    fires("TocsinTimersLate", "90s", {'tocsin_oldest_due_timer_seconds{lane="critical",instance="a"}': "31+15x20"},
          component="scheduler", lane="critical"),
    fires("TocsinOutboxOld", "1m", {OF_CHANGES: "0+15x20", OF_IMPORTS: "0x20"}, component="router"),
    fires("TocsinOutboxOld", "1m", {OF_THE_FORMER_RELEASE: "0+15x20"}, component="router"),
    calm("TocsinOutboxOld", "5m", "an outbox that is worked off", {OF_CHANGES: "5x20", OF_IMPORTS: "0x20"}),
    # A single change goes before an import, so one that waits harms people whatever else is published.
    fires("TocsinOutboxOld", "2m", {OF_CHANGES: "0+15x20", OF_IMPORTS: "0+15x20", PUBLISHED: "0+3000x20"}, component="router"),
    calm("TocsinOutboxOld", "10m", "a large import", {OF_CHANGES: "0x40", OF_IMPORTS: "0+15x40", PUBLISHED: "0+3000x40"}),
    fires("TocsinOutboxOld", "5m", {OF_CHANGES: "0x20", OF_IMPORTS: "0+15x20", PUBLISHED: "0+3000x4 12000x16"}, component="router"),
    fires("TocsinOutboxOld", "5m", {OF_CHANGES: "0x20", OF_IMPORTS: "0+15x20"}, component="router"),
    fires("TocsinCopyOld", "3m", {'tocsin_copy_age_seconds{component="dispatch-email",kind="stops",instance="a"}': "31+15x20"},
          component="dispatch-email", kind="stops"),
    fires("TocsinStatusReadLate", "6m", oldest("ledger", "critical", "status", "301+15x40"),
          component="ledger", lane="critical", kind="status"),
    fires("TocsinOverdue", "5m",
          {'tocsin_overdue_notifications{lane="critical",instance="a"}': "2x12 3x20",
           'tocsin_overdue_notifications{lane="critical",instance="b"}': "_x12 3x20"}, lane="critical"),
    calm("TocsinOverdue", "70m", "those of long ago", {'tocsin_overdue_notifications{lane="critical"}': "0 3x800"}),

    fires("TocsinComponentGone", "6m", {**ALL_PROCESSES, process("router"): "1x12 stale"}, component="router"),
    fires("TocsinComponentGone", "6m", {**ALL_PROCESSES, process("dispatch-email"): "1x12 stale"}, component="dispatch-email"),
    calm("TocsinComponentGone", "6m", "another of its kind works", {**ALL_PROCESSES, process("router", "b"): "1x12 stale"}),
    fires("TocsinComponentGone", "6m", {**ALL_PROCESSES, api("router"): "1000x12 stale"}, component="router-api"),
    fires("TocsinComponentGone", "6m", {**ALL_PROCESSES, api("ledger"): "1000x12 stale"}, component="ledger"),
    calm("TocsinComponentGone", "6m", "a channel that nobody has", ALL_PROCESSES),
    fires("TocsinLaneUnserved", "5m", {group("members", "router", "critical"): "2x12 0x20"}, component="router", lane="critical"),
    fires("TocsinLaneUnserved", "5m",
          {group("members", "dispatch-sms", "bulk"): "0x40", group("lag_messages", "dispatch-sms", "bulk", "jobs"): "7x40"},
          component="dispatch-sms", lane="bulk"),
    calm("TocsinLaneUnserved", "5m", "a channel that nobody has",
         {group("members", "dispatch-sms", "bulk"): "0x40", group("lag_messages", "dispatch-sms", "bulk", "jobs"): "0x40"}),
    fires("TocsinGroupUnserved", "9m", {group("members", "ledger", "bulk"): "2x4 0x40"}, component="ledger", lane="bulk"),
    fires("TocsinAcceptedNotRouted", "3m", {ACCEPTED: "0+3x40", ROUTED: "7x40"}, component="router", lane="critical"),
    calm("TocsinAcceptedNotRouted", "3m", "both move", {ACCEPTED: "0+3x40", ROUTED: "0+3x40"}),
    calm("TocsinAcceptedNotRouted", "3m", "the router's first event", {ACCEPTED: "0x9 1x40", ROUTED: "_x10 1x40"}),
    fires("TocsinShardUnheld", "3m",
          {'tocsin_shards_held{component="router",lane="critical",instance="a"}': "1x40",
           'tocsin_shards{component="router",lane="critical",instance="a"}': "4x40",
           'tocsin_shards_held{component="router",lane="critical",instance="b"}': "2x40",
           'tocsin_shards{component="router",lane="critical",instance="b"}': "4x40"}, component="router", lane="critical"),
    fires("TocsinWitnessBlind", "2m", {'tocsin_witness_up{component="ledger",instance="w"}': "0x40"}),
    fires("TocsinWitnessBlind", "3m", {"unrelated": "1x40"}),
    fires("TocsinTargetDown", "4m", {'up{job="tocsin-prod/tocsin",instance="10.0.0.7:9000"}': "0x40"},
          job="tocsin-prod/tocsin", instance="10.0.0.7:9000"),
    calm("TocsinTargetDown", "4m", "somebody else's", {'up{job="kafka"}': "0x40"}),

    fires("TocsinPoison", "2m", {DEAD: "0+60x40"}, component="router", lane="critical"),
    calm("TocsinPoison", "5m", "one a minute", {DEAD: "0x4 1x4 2x4 3x4 4x20"}),
    fires("TocsinDeadLetters", "5m", {DEAD: "0x8 1x40"}, component="router", lane="critical", reason="attribute_missing"),
    fires("TocsinUnreadableRecords", "4m", {UNREADABLE: "0x8 1x40"}, component="router", lane="critical"),
    fires("TocsinUnreadableRecords", "4m",
          {'tocsin_processed_messages_total{component="ledger",lane="bulk",outcome="unreadable"}': "0x8 1x40"}, component="ledger", lane="bulk"),
    fires("TocsinUnreadableRecords", "4m", {'tocsin_cancellations_unreadable_total{component="dispatch-sms"}': "0x8 1x40"}, component="dispatch-sms"),
    calm("TocsinUnreadableRecords", "4m", "a producer's fault", {DEAD: "0x8 1x40"}),
    fires("TocsinUnusableOffsets", "1m", {'tocsin_unusable_offsets{component="router",lane="bulk",instance="a"}': "2x20"},
          component="router", lane="bulk"),
    fires("TocsinChangeSetAside", "4m", {'tocsin_directory_set_aside_total{component="router",entity="workflow"}': "0x8 1x40"},
          component="router", entity="workflow"),
    calm("TocsinChangeSetAside", "70m", "one of long ago", {'tocsin_directory_set_aside_total{component="router",entity="workflow"}': "1x800"}),
    fires("TocsinIngestRefuses", "3m", {'tocsin_ingest_refused_events_total{code="overloaded"}': "0+9x40"}, component="ingest", code="overloaded"),
    calm("TocsinIngestRefuses", "3m", "callers' own faults", {'tocsin_ingest_refused_events_total{code="invalid_data"}': "0+900x40"}),
    fires("TocsinProducerFull", "3m",
          {'tocsin_producer_buffered_bytes{component="ingest",instance="a"}': "90x40",
           'tocsin_producer_buffered_limit_bytes{component="ingest",instance="a"}': "100x40"}, component="ingest"),

    fires("TocsinChannelDown", "3m", {PAUSED: "0x4 1x2 0 1x20"}, component="dispatch-email"),
    # Two messages are put off, and wait in timers.
    fires("TocsinChannelDown", "2m", {NONE_WORKS: "0x4 1x40", PAUSED: "0x44", PUT_OFF: "0x4 1 2x40"}, component="dispatch-email"),
    # One of two processes: what its shards hold waits.
    fires("TocsinChannelDown", "2m", {NONE_WORKS: "0x4 1x40", NONE_WORKS.replace('"a"', '"b"'): "0x44", PUT_OFF: "0x4 2x40"}, component="dispatch-email"),
    # What is put off comes back after a quarter of an hour at most.
    fires("TocsinChannelDown", "19m", {NONE_WORKS: "0x4 1x90", PAUSED: "0x94", PUT_OFF: "0x4 2x90"}, component="dispatch-email"),
    calm("TocsinChannelDown", "24m", "nothing waits any more", {NONE_WORKS: "0x4 1x120", PAUSED: "0x124", PUT_OFF: "0x4 2x120"}),
    calm("TocsinChannelDown", "3m", "a channel that nobody uses", {NONE_WORKS: "0x40", PAUSED: "0x40", PUT_OFF: "0x40"}),
    calm("TocsinChannelDown", "3m", "put off for want of room, or to be decided again",
         {NONE_WORKS: "0x4 1x40", **{PUT_OFF.replace("unreachable", reason): "0x4 9x40" for reason in ("set_aside", "recheck")}}),
    calm("TocsinChannelDown", "3m", "one process has not tried for days, and another is asked for patience",
         {NONE_WORKS: "1x44", NONE_WORKS.replace('"a"', '"b"'): "0x44", PUT_OFF: "2x44", PUT_OFF.replace('"a"', '"b"'): "0x4 2x40"}),
    calm("TocsinChannelDown", "3m", "another channel's messages",
         {NONE_WORKS: "0x4 1x40", PUT_OFF.replace("dispatch-email", "dispatch-sms"): "0x4 2x40"}),
    calm("TocsinChannelDown", "2m", "it did not work for a moment", {NONE_WORKS: "0x4 1 0x40", PUT_OFF: "0x4 1 2x40"}),
    calm("TocsinChannelDown", "3m", "a provider that came back", {PAUSED: "0x4 1x2 0x20"}),
    fires("TocsinProviderDown", "7m", {BREAKER: "1 0x4 1x40", PROBE: "0 1x4 0x40"}, component="dispatch-sms", channel="sms", provider="main"),
    fires("TocsinCredentialsRefused", "3m", {REFUSED: "0x4 1x40", BREAKER: "0x4 1x40", PROBE: "0x44"},
          component="dispatch-sms", channel="sms", provider="main"),
    calm("TocsinCredentialsRefused", "3m", "they were mended", {REFUSED: "0x2 1x40", BREAKER: "0x2 1 0x40", PROBE: "0x44"}),

    fires("TocsinComponentNotReady", "2m",
          {'tocsin_ready{component="router",check="database",instance="a"}': "0x20", 'tocsin_ready{component="router",check="kafka",instance="a"}': "1x20",
           'tocsin_ready{component="router",check="kafka",instance="b"}': "0x20"}, component="router"),
    # Workers of the router, and the witness, are ready.
    fires("TocsinComponentNotReady", "2m",
          {'tocsin_ready{component="router",check="database",instance="a"}': "0x20", api("router"): "1000x20",
           'tocsin_ready{component="router",check="kafka",instance="worker"}': "1x20"}, component="router"),
    fires("TocsinComponentNotReady", "2m",
          {'tocsin_ready{component="ledger",check="database",instance="a"}': "0x20", api("ledger"): "1000x20",
           'tocsin_ready{component="ledger",check="kafka",instance="witness"}': "1x20"}, component="ledger"),
    calm("TocsinComponentNotReady", "2m", "one API is ready, and no worker", {
        'tocsin_ready{component="router",check="database",instance="a"}': "0x20", api("router"): "1000x20",
        'tocsin_ready{component="router",check="database",instance="b"}': "1x20", api("router", "b"): "1000x20",
        'tocsin_ready{component="router",check="kafka",instance="worker"}': "0x20"}),
    calm("TocsinComponentNotReady", "2m", "one is ready",
         {'tocsin_ready{component="router",check="kafka",instance="a"}': "0x20", 'tocsin_ready{component="router",check="kafka",instance="b"}': "1x20"}),
    fires("TocsinNotReady", "6m", {'tocsin_ready{component="router",check="kafka",instance="a"}': "0x40"}, component="router", check="kafka"),
    fires("TocsinRestarts", "5m", {STARTED: "100x3 160x3 220x3 280x40"}, job="tocsin-prod/tocsin", instance="a"),
    calm("TocsinRestarts", "5m", "a roll-out", {STARTED: "100x3 160x40"}),
    fires("TocsinRejoins", "10m", {'tocsin_rejoins_total{component="router",lane="bulk",cause="fenced",instance="a"}': "0x4 1x4 2x4 3x60"},
          component="router", lane="bulk", cause="fenced"),
    fires("TocsinSweepLate", "12m",
          {'tocsin_sweep_age_seconds{table="claims",instance="a"}': "1900+15x60", 'tocsin_sweep_age_seconds{table="claims",instance="b"}': "1801+15x60"},
          component="router", table="claims"),
    calm("TocsinSweepLate", "12m", "another router sweeps",
         {'tocsin_sweep_age_seconds{table="claims",instance="a"}': "1900+15x60", 'tocsin_sweep_age_seconds{table="claims",instance="b"}': "60x60"}),
    fires("TocsinDiskFull", "3m", {FREE: "9x40", SIZE: "100x40"}, **DISK),
    fires("TocsinDiskFull", "3m", {MOUNT_FREE: "9x40", MOUNT_SIZE: "100x40"}, instance="db", mountpoint="/var/lib/postgresql"),
    fires("TocsinDiskLow", "20m", {FREE: "20x90", SIZE: "100x90"}, **DISK),
    fires("TocsinCertificateEnds", "10m", {CERTIFICATE: "172000x60"}, certificate="kafka"),
    calm("TocsinCertificateEnds", "10m", "authorities of a bundle",
         {CERTIFICATE.replace("kafka", "kafka_authorities"): "172000x60", CERTIFICATE.replace("kafka", "provider_relay"): "172000x60"}),
    fires("TocsinCertificateEndsSoon", "20m", {CERTIFICATE.replace("kafka", "kafka_authorities"): "172000x90"}, certificate="kafka_authorities"),
    fires("TocsinCertificateEndsSoon", "20m", {CERTIFICATE: "1200000x90"}, certificate="kafka"),
    fires("TocsinCertificateEndsSoon", "20m", {CERTIFICATE: "NaN" + " NaN" * 90}, certificate="kafka"),
    calm("TocsinCertificateEndsSoon", "20m", "a month", {CERTIFICATE: "2592000x90"}),
    fires("TocsinApiKeysEnd", "20m", {KEYS: "2x90"}, component="router"),
    calm("TocsinDiskLow", "20m", "half of it is free", {FREE: "50x90", SIZE: "100x90"}),
]  # fmt: skip

CASES = [*map(within_hours, OF_HOURS), *map(within_days, OF_DAYS), *OTHERS]

AT_REST = {
    **ALL_PROCESSES,
    **{series: "5x60" for lane, le in (("critical", "10.0"), ("transactional", "60.0"), ("bulk", "3600.0"))
       for series in handed_over(lane, "", "", le)},
    **{ended(lane, "sent", "none", "none"): "5x60" for lane in ("critical", "transactional", "bulk")},
    ended("critical", "failed", "unreachable", "provider"): "3x60",
    'tocsin_decisions_total{lane="critical",status="expired",rule="expiry"}': "2x60",
    requests("202"): "5x60", requests("503"): "1x60",
    **oldest("router", "critical", "events", "0x60"), group("unseen_partitions", "router", "critical", "events"): "0x60",
    group("lag_messages", "router", "critical", "events"): "0x60",
    group("members", "router", "critical"): "2x60", group("members", "ledger", "critical"): "2x60",
    'tocsin_last_stable_offset_age_seconds{component="router",lane="bulk",kind="events",partition="3"}': "0x60",
    'tocsin_oldest_due_timer_seconds{lane="critical"}': "0x60",
    OF_CHANGES: "0x60", OF_IMPORTS: "0x60", PUBLISHED: "7x60",
    'tocsin_copy_age_seconds{component="dispatch-email",kind="stops"}': "0.5x60",
    'tocsin_overdue_notifications{lane="critical"}': "0x60",
    ACCEPTED: "5x60", ROUTED: "5x60", DEAD: "2x60", UNREADABLE: "0x60", REFUSED: "1x60", BREAKER: "0x60", PROBE: "0x60",
    'tocsin_shards_held{component="router",lane="critical"}': "4x60", 'tocsin_shards{component="router",lane="critical"}': "4x60",
    'tocsin_witness_up{component="ledger"}': "1x60", 'up{job="tocsin-prod/tocsin",instance="a"}': "1x60",
    'tocsin_processed_messages_total{component="ledger",lane="bulk",outcome="unreadable"}': "1x60",
    'tocsin_cancellations_unreadable_total{component="dispatch-sms"}': "0x60",
    'tocsin_unusable_offsets{component="router",lane="bulk"}': "0x60",
    'tocsin_directory_set_aside_total{component="router",entity="workflow"}': "0x60",
    'tocsin_ingest_refused_events_total{code="overloaded"}': "3x60",
    'tocsin_producer_buffered_bytes{component="ingest"}': "0x60", 'tocsin_producer_buffered_limit_bytes{component="ingest"}': "0x60",
    PAUSED: "0x60", NONE_WORKS: "1x60", PUT_OFF: "2x60",
    'tocsin_ready{component="router",check="kafka"}': "1x60",
    STARTED: "100x60", 'tocsin_rejoins_total{component="router",lane="bulk",cause="fenced"}': "1x60",
    'tocsin_sweep_age_seconds{table="claims"}': "30x60",
    CERTIFICATE: "9000000x60", KEYS: "0x60",
    FREE: "90x60", SIZE: "100x60", MOUNT_FREE: "90x60", MOUNT_SIZE: "100x60",
}  # fmt: skip
"""An installation that works, and that nobody uses at the moment: every series that a rule reads, and none moves."""
