"""Alerts on processes and on what they stand on."""

from typing import Final

from tocsin.specifications.alerts.alert import JOB, Alert, Severity

_VOLUME: Final = 'persistentvolumeclaim=~".*(kafka|postgres).*"'
_MOUNT: Final = 'mountpoint=~".*(kafka|postgres).*"'


def _free_below(share: float) -> str:
    """Of volumes and mounts that have kafka or postgres in their names, as kubelets or node exporters tell."""
    return (
        "min by (namespace, persistentvolumeclaim) (\n"
        f"  kubelet_volume_stats_available_bytes{{{_VOLUME}}} / kubelet_volume_stats_capacity_bytes{{{_VOLUME}}}\n"
        f") < {share}\n"
        "or\n"
        "min by (instance, mountpoint) (\n"
        f"  node_filesystem_avail_bytes{{{_MOUNT}}} / node_filesystem_size_bytes{{{_MOUNT}}}\n"
        f") < {share}"
    )


_READY: Final = "min by (component, instance) (tocsin_ready)"
_ANSWERS: Final = "on (component, instance) tocsin_http_connections_limit"
"""The process answers an API. Workers of the router do not, nor does the witness, which is the component `ledger`, too."""

PROCESSES: Final = (
    Alert(
        name="TocsinComponentNotReady",
        severity=Severity.PAGE,
        expression=f"max by (component) ({_READY}) == 0\nor\nmax by (component) ({_READY} and {_ANSWERS}) == 0",
        wait="1m",
        summary="No process of {{ $labels.component }} is ready, or none that answers its API",
        users="Ingest, router API, ledger: callers get errors. Others: messages stand still.",
    ),
    Alert(
        name="TocsinNotReady",
        severity=Severity.TICKET,
        expression="min by (component, check) (tocsin_ready) == 0",
        wait="5m",
        summary="A process of {{ $labels.component }} is not ready: {{ $labels.check }}",
        users="Nothing while others of its kind are ready.",
    ),
    Alert(
        name="TocsinRestarts",
        severity=Severity.TICKET,
        expression=f"changes(process_start_time_seconds{{{JOB}}}[30m]) >= 3",
        wait="0s",
        summary="The process at {{ $labels.instance }} has started three times within half an hour",
        users="Messages are late for seconds at each start, up to twenty.",
    ),
    Alert(
        name="TocsinRejoins",
        severity=Severity.TICKET,
        expression="sum by (component, lane, cause) (increase(tocsin_rejoins_total[1h])) >= 2",
        wait="0s",
        summary="{{ $labels.component }} loses its part of {{ $labels.lane }} again and again: {{ $labels.cause }}",
        users="Messages of the lane are late for seconds each time.",
    ),
    Alert(
        name="TocsinSweepLate",
        severity=Severity.TICKET,
        expression="min by (table) (tocsin_sweep_age_seconds) > 1800",
        wait="10m",
        summary="Expired rows of {{ $labels.table }} are deleted more slowly than they expire",
        users="Nothing yet; the router's database grows and slows down.",
        labels={"component": "router"},
    ),
    Alert(
        name="TocsinDiskFull",
        severity=Severity.PAGE,
        expression=_free_below(0.1),
        wait="1m",
        summary="Less than a tenth of a disk of Kafka or PostgreSQL is free",
        users="Nothing yet. A full disk stops the broker or the database, and with it everything.",
    ),
    Alert(
        name="TocsinDiskLow",
        severity=Severity.TICKET,
        expression=_free_below(0.25),
        wait="15m",
        summary="Less than a quarter of a disk of Kafka or PostgreSQL is free",
        users="Nothing yet.",
    ),
)
