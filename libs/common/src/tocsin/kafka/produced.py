"""Counting what Kafka acknowledged, by the topic it went to."""

from collections import Counter
from collections.abc import Callable, Iterable

from tocsin.kafka.topic_labels import kind_and_lane
from tocsin.observability import metrics


class ProducedRecords:
    """``service`` is who produced them; the children are looked up once."""

    def __init__(self, *, service: str, prefix: str) -> None:
        self._service = service
        self._prefix = prefix
        self._children: dict[str, Callable[[float], None]] = {}

    def count(self, topics: Iterable[str]) -> None:
        """One record was acknowledged for each topic named."""
        for topic, records in Counter(topics).items():
            if topic not in self._children:
                kind, lane = kind_and_lane(topic, prefix=self._prefix)
                self._children[topic] = metrics.produced.labels(self._service, lane, kind).inc
            self._children[topic](records)
