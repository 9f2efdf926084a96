"""Alerts on the disks below Kafka and PostgreSQL. Their series come from others and bear others' namespaces, so they are rules of their own."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

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


DISKS: Final = (
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
