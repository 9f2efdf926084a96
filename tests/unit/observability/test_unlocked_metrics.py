"""What is shown of them is what the library shows of its own."""

from types import ModuleType

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tocsin.observability import unlocked_metrics

BUCKETS = (0.001, 0.01, 1, 10)
AMOUNTS = (0.0, 0.0005, 0.001, 0.0011, 0.01, 0.5, 1, 1.0001, 10, 11, -1, float("inf"))


def shown(library: ModuleType) -> list[str]:
    registry = CollectorRegistry()
    counter = library.Counter("c", "doc", ["a"], registry=registry)
    gauge = library.Gauge("g", "doc", registry=registry)
    histogram = library.Histogram("h", "doc", ["a"], buckets=BUCKETS, registry=registry)
    counter.labels("x").inc()
    counter.labels("x").inc(2.5)
    counter.labels("y")
    gauge.set(7)
    gauge.inc(3)
    gauge.dec()
    library.Gauge("f", "doc", ["a"], registry=registry).labels("x").set_function(lambda: 42)
    for amount in AMOUNTS:
        histogram.labels("x").observe(amount)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def test_they_show_what_the_librarys_own_show() -> None:
    assert shown(unlocked_metrics) == shown(prometheus_client)


def test_a_counter_does_not_go_down() -> None:
    counter = unlocked_metrics.Counter("c", "doc", registry=CollectorRegistry())
    with pytest.raises(ValueError, match="only goes up"):
        counter.inc(-1)


def test_a_bucket_wants_an_exemplar_at_most_once_a_second() -> None:
    registry = CollectorRegistry()
    histogram = unlocked_metrics.HistogramWithExemplars("h", "doc", buckets=BUCKETS, registry=registry)
    bucket = histogram.observe_in(0.5)
    assert bucket.exemplar_due <= 100
    bucket.show_exemplar({"id": "slow"}, 0.5, 100.0)
    assert histogram.observe_in(0.6) is bucket
    assert 100.9 < bucket.exemplar_due <= 101
    assert histogram.observe_in(0.005).exemplar_due <= 100  # another bucket, which waits for none
    (family,) = registry.collect()
    shown = {sample.labels["le"]: sample.exemplar for sample in family.samples if sample.exemplar}
    assert {le: (value.labels, value.value) for le, value in shown.items()} == {"1.0": ({"id": "slow"}, 0.5)}
    assert registry.get_sample_value("h_count") == 3
