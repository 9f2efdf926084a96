"""Which series and labels a PromQL expression names, and which of them exist."""

import re
from typing import Final

import yaml

from tocsin.dev.observe import shipped_rules
from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram

_WORDS: Final = {"and", "or", "unless", "offset", "bool"}
_GROUPING: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR: Final = re.compile(r"(?<![\w.:$])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()\s*({[^}]*})?")
_SCRAPED: Final = {"instance", "job", "namespace"}
"""What Prometheus adds to every series that it reads."""


def _plain(expression: str) -> str:
    """Without texts and times."""
    return re.sub(r"\[[^\]]*\]", "", re.sub(r'"[^"]*"', '""', expression))


def named(expression: str) -> dict[str, set[str]]:
    """The series, with the labels by which they are chosen."""
    found: dict[str, set[str]] = {}
    for name, chosen in _SELECTOR.findall(_GROUPING.sub("", _plain(expression))):
        if name not in _WORDS:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=|!)", chosen))
    return found


def labels_grouped_by(expression: str) -> set[str]:
    """The labels by which is summed, and by which sides are matched."""
    return {
        label for _, labels in _GROUPING.findall(_plain(expression)) for label in re.findall(r"\w+", labels)
    }


def _ours() -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            labels = _SCRAPED.union(metric._labelnames)
            match metric:
                case Counter():
                    known[f"{metric._name}_total"] = labels
                case Gauge():
                    known[metric._name] = labels
                case Histogram():
                    known |= {
                        f"{metric._name}_bucket": labels | {"le"},
                        f"{metric._name}_count": labels,
                        f"{metric._name}_sum": labels,
                    }
    return known


_RECORDED: Final = {
    rule["record"]: {"objective", "lane"}
    for rules in shipped_rules()
    for group in yaml.safe_load(rules.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
_VOLUME: Final = {"namespace", "persistentvolumeclaim"}
_MOUNT: Final = {"instance", "mountpoint"}
_OF_OTHERS: Final = {
    "up": _SCRAPED,
    "process_start_time_seconds": _SCRAPED,
    "kubelet_volume_stats_available_bytes": _VOLUME,
    "kubelet_volume_stats_capacity_bytes": _VOLUME,
    "node_filesystem_avail_bytes": _MOUNT,
    "node_filesystem_size_bytes": _MOUNT,
}
"""Of Prometheus itself, of its client library, of kubelets and of node exporters."""

KNOWN: Final = _ours() | _RECORDED | _OF_OTHERS
"""Series → labels."""
