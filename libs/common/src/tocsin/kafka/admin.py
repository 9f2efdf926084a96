"""Topics, their settings, and the start offsets of groups: what `tocsin topics apply` does."""

from collections.abc import Sequence

from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.topic_plan import GroupSpec, Plan, TopicSpec


class Admin:
    """`open()` first, `close()` last. Everything is idempotent."""

    def __init__(self, *, settings: KafkaSettings) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    async def plan(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> Plan:
        """What `apply` would do. PlanRefused when a topic exists with another number of partitions."""
        raise NotImplementedError

    async def apply(self, plan: Plan) -> None:
        """Do it: create topics, change settings, write missing start offsets (the beginning of each log)."""
        raise NotImplementedError

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Remove topics that exist; for tests and development."""
        raise NotImplementedError
