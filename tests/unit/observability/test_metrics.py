"""The one file of metric definitions."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from tocsin.observability import metrics

DEFINED = {
    name: metric for name, metric in vars(metrics).items() if isinstance(metric, Counter | Gauge | Histogram)
}
BOUNDED = {
    "component", "lane", "kind", "partition", "reason", "outcome", "stage", "entity", "code", "status", "rule",
    "channel", "provider", "method", "route", "check", "state", "result", "fault", "table", "cause", "version", "commit", "uncertain", "idempotency", "source", "workflow", "request", "within", "certificate", "change", "category", "template", "automated", "tracking",
}  # fmt: skip
PLATFORM = {
    "namespace",
    "service",
    "pod",
    "container",
    "endpoint",
    "job",
    "instance",
    "node",
    "le",
    "quantile",
}
"""Labels that the Prometheus Operator sets on every series, and those of the exposition format (ADR 31)."""
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", DEFINED)
def test_every_metric_is_ours_documented_and_bounded(name: str) -> None:
    metric = DEFINED[name]
    assert metric._name.startswith("tocsin_")
    assert metric._documentation
    assert set(metric._labelnames) <= BOUNDED


@pytest.mark.parametrize("name", DEFINED)
def test_no_label_is_one_that_the_platform_sets(name: str) -> None:
    labels = DEFINED[name]._labelnames
    assert not PLATFORM.intersection(labels)
    assert not [label for label in labels if label.startswith(("exported_", "__"))]


def test_what_begins_at_zero_is_shown_before_it_is_counted() -> None:
    metrics.begin_at_zero(metrics.claims, ["bulk"], ["begun", "begun too"])
    assert REGISTRY.get_sample_value("tocsin_claims_total", {"lane": "bulk", "outcome": "begun too"}) == 0


def test_metrics_are_defined_nowhere_else() -> None:
    constructs = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*[\"']")
    sources = [
        *ROOT.glob("libs/*/src/**/*.py"),
        *ROOT.glob("services/*/src/**/*.py"),
        *ROOT.glob("tools/*/src/**/*.py"),
    ]
    elsewhere = [
        path for path in sources if path != Path(metrics.__file__) and constructs.search(path.read_text())
    ]
    assert elsewhere == []
