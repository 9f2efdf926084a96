"""A ground with three brokers."""

from collections.abc import Mapping
from pathlib import Path

from ground import Ground
from tocsin.dev import KafkaCluster


class ClusterGround(Ground):
    """Every record lies on three nodes, and two must have it before it is acknowledged."""

    replicas = 3

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, settings=settings)
        self.cluster = KafkaCluster(folder / "kafka")

    @property
    def brokers(self) -> KafkaCluster:
        """All three."""
        return self.cluster
