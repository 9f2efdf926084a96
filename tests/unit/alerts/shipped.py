"""The rules as they are shipped, and the series that they read beside those of our processes."""

from pathlib import Path
from typing import Any

import yaml

from tocsin.dev.observe import shipped_rules

RULES = Path(__file__).parents[3] / "deploy" / "observability" / "rules"
OBJECTIVES_FILE, ALERTS_FILE, DISKS_FILE = (
    RULES / name for name in ("objectives.yaml", "alerts.yaml", "disks.yaml")
)


def groups(rules: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(rules.read_text())["groups"])


EXPRESSIONS = {
    f"{rule.get('alert', rule.get('record'))} {rule.get('labels', '')}": rule["expr"]
    for rules in shipped_rules()
    for group in groups(rules)
    for rule in group["rules"]
}


_RECORDED = {
    rule["record"]: {"objective", "lane"}
    for group in groups(OBJECTIVES_FILE)
    for rule in group["rules"]
    if "record" in rule
}
_VOLUME, _MOUNT = {"namespace", "persistentvolumeclaim"}, {"mountpoint"}
_OF_OTHERS = {
    "process_start_time_seconds": set[str](),
    "kubelet_volume_stats_available_bytes": _VOLUME,
    "kubelet_volume_stats_capacity_bytes": _VOLUME,
    "node_filesystem_avail_bytes": _MOUNT,
    "node_filesystem_size_bytes": _MOUNT,
}
"""Of Prometheus' client library, of kubelets and of node exporters."""

NOT_SCRAPED = _RECORDED | _OF_OTHERS
"""Series → labels, of what rules record and others tell."""
