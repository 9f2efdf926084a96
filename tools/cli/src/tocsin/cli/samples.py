"""What a process shows on /metrics, asked by name and labels."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]


class Samples:
    """Of one look. Raises ValueError where the text is none of Prometheus'."""

    def __init__(self, text: str) -> None:
        self._by_name: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._by_name[sample.name].append((sample.labels, sample.value))

    def of(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Labels and value of each."""
        yield from self._by_name.get(name, ())

    def over(self, name: str, bound: float) -> Iterator[tuple[Labels, float]]:
        """Those beyond the bound."""
        return ((labels, value) for labels, value in self.of(name) if value > bound)

    def total(self, name: str, **labels: str) -> float:
        """The sum of those with these labels."""
        return sum(value for found, value in self.of(name) if labels.items() <= found.items())

    def component(self) -> str | None:
        """Which service shows them."""
        return next((labels["component"] for labels, _ in self.of("tocsin_build_info")), None)


def risen(before: Samples, after: Samples, name: str) -> Iterator[tuple[Labels, float]]:
    """By how much counters have risen between two looks; a process that was started anew meanwhile began at 0."""
    first = {tuple(sorted(labels.items())): value for labels, value in before.of(name)}
    for labels, value in after.of(name):
        former = first.get(tuple(sorted(labels.items())), 0.0)
        if rise := value - former if value >= former else value:
            yield labels, rise
