"""What consuming needs of a Kafka cluster. `KafkaCluster` is a real one; `tocsin.testing` has one in memory."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.offsets import committed_offsets, wait_for_topics
from tocsin.kafka.consume.member import GroupMember, Member, MemberSpec
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.transactional_producer import TransactionalProducer, Transactions
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.failpoints import Failpoints
from tocsin.runtime.health import Check


class Cluster(Protocol):
    """Makes the clients that a `ConsumerGroup` works with; making one connects nothing."""

    @property
    def prefix(self) -> str:
        """What the names of topics and groups begin with."""
        ...

    async def wait_for_topics(self, topics: Iterable[str], *, check: Check) -> dict[str, int]:
        """The number of partitions of each topic, as soon as a broker answers and all of them exist; ``check`` says
        meanwhile what is waited for."""
        ...

    async def committed(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, CommittedOffset]:
        """What a group has committed, asked without joining it; absent ones are left out. KafkaFault when no broker answers."""
        ...

    def member(self, spec: MemberSpec) -> Member:
        """A member that has not joined yet."""
        ...

    def transactions(
        self, *, transactional_id: str, group: str, limits: Limits, failpoints: Failpoints
    ) -> Transactions:
        """The transactions of one transactional id, not open yet."""
        ...


class KafkaCluster:
    """The cluster that ``settings`` name."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    @property
    def prefix(self) -> str:
        return self._settings.topic_prefix

    async def wait_for_topics(self, topics: Iterable[str], *, check: Check) -> dict[str, int]:
        return await wait_for_topics(self._settings, topics, check=check)

    async def committed(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, CommittedOffset]:
        return await committed_offsets(self._settings, group, partitions)

    def member(self, spec: MemberSpec) -> Member:
        return GroupMember(spec, settings=self._settings)

    def transactions(
        self, *, transactional_id: str, group: str, limits: Limits, failpoints: Failpoints
    ) -> Transactions:
        return TransactionalProducer(
            settings=self._settings,
            transactional_id=transactional_id,
            group=group,
            limits=limits,
            failpoints=failpoints,
        )
