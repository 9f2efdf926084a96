"""The expression that answers the question of one metric: by its kind, and for gauges by whether processes tell parts or all tell alike."""

from typing import Final

from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram

WINDOW: Final = "5m"
_ALIKE: Final = {
    "tocsin_overdue_notifications", "tocsin_group_lag_messages", "tocsin_group_members", "tocsin_directory_outbox_rows", "tocsin_shards",
    "tocsin_group_unseen_partitions",
    "tocsin_directory_entities", "tocsin_recipient_versions", "tocsin_cancellations_held", "tocsin_refused_revisions", "tocsin_paused",
    "tocsin_no_provider_works",
    "tocsin_table_rows", "tocsin_api_keys_expiring", "tocsin_last_exit_info",
}  # fmt: skip
"""Every process of a service tells the same, or the first that tells is enough."""
_ALL_MUST: Final = {"tocsin_ready", "tocsin_replica_caught_up", "tocsin_witness_up"}
"""1 is good, so one process at 0 is what one looks for."""
_LEAST: Final = {"tocsin_sweep_age_seconds", "tocsin_certificate_seconds_left"}
"""Any process sweeps for all; the first certificate to end is what one looks for."""
_EACH_PARTITION: Final = {"tocsin_last_stable_offset_age_seconds"}

_RARE: Final = {"tocsin_shard_acquire_seconds", "tocsin_read_back_seconds", "tocsin_trial_seconds"}
"""Observed so seldom that all since the process's start is asked for."""


def query_of(metric: Counter | Gauge | Histogram) -> str:
    """In PromQL."""
    labels = [
        label for label in metric._labelnames if label != "partition" or metric._name in _EACH_PARTITION
    ]
    match metric:
        case Counter():
            return f"{_over('sum', labels)} (rate({metric._name}_total[{WINDOW}]))"
        case Histogram() if metric._name in _RARE:
            return f"histogram_quantile(0.99, {_over('sum', [*labels, 'le'])} ({metric._name}_bucket))"
        case Histogram():
            return f"histogram_quantile(0.99, {_over('sum', [*labels, 'le'])} (rate({metric._name}_bucket[{WINDOW}])))"
        case _:
            return f"{_over(_of_gauge(metric._name), labels)} ({metric._name})"


def _over(operator: str, labels: list[str]) -> str:
    return f"{operator} by ({', '.join(labels)})" if labels else operator


def _of_gauge(name: str) -> str:
    if name in _ALL_MUST | _LEAST:
        return "min"
    of_one_process = name.endswith(("_seconds", "_limit", "_limit_bytes"))
    return "max" if name in _ALIKE or of_one_process else "sum"
