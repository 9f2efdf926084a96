"""Asks brokers by requests of our own, over the connections of aiokafka."""

from typing import Any, Self

from aiokafka.client import AIOKafkaClient, CoordinationType

from tocsin.kafka.client.aiokafka_internals import (
    PATIENT_RETRY,
    close_client,
    closed_unless_started,
    leader_of,
    partitions_of,
    versions_of,
)
from tocsin.kafka.client.transaction_requests import API_VERSIONS, WireRequest, cluster_features
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings


class BrokerClient:
    """One connection to each broker that is asked. Every method that waits raises aiokafka's KafkaError.

    A broker answers the requests of a connection one after the other, so whoever must not wait for others has a client of their own.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._coordinators: dict[tuple[CoordinationType, str], int] = {}

    @classmethod
    async def connected(cls, settings: KafkaSettings) -> Self:
        """To one of the brokers that the settings name."""
        client = AIOKafkaClient(**settings.client_options(), retry_backoff_ms=int(PATIENT_RETRY * 1000))
        with closed_unless_started():
            await client.bootstrap()
        return cls(client)

    async def close(self, *, seconds: float) -> None:
        """Disconnect, in good order or after so many seconds."""
        await close_client(self._client, seconds=seconds)

    async def features(self) -> dict[str, int]:
        """The level of each feature that the whole cluster has; none of a broker that cannot be asked (before Kafka 2.4). Each call asks
        some broker."""
        node = self._client.get_random_node()
        request = cluster_features()
        _lowest, highest = (await versions_of(self._client, node)).get(API_VERSIONS, (0, 0))
        return await self._client.send(node, request) if highest >= request.API_VERSION else {}

    async def partitions(self, topic: str) -> set[int]:
        """The partitions of an existing topic."""
        return await partitions_of(self._client, topic)

    def leader(self, partition: TopicPartition) -> int:
        """The broker that leads it; a KafkaError where nobody is known to."""
        return leader_of(self._client, partition)

    async def ask(self, broker: int, request: WireRequest[Any]) -> Any:
        """The broker's answer."""
        return await self._client.send(broker, request)

    async def ask_group(self, group: str, request: WireRequest[Any]) -> Any:
        """The answer of the group's coordinator."""
        return await self._ask_coordinator(CoordinationType.GROUP, group, request)

    async def ask_transactions(self, transactional_id: str, request: WireRequest[Any]) -> Any:
        """The answer of the coordinator of the transactional id."""
        return await self._ask_coordinator(CoordinationType.TRANSACTION, transactional_id, request)

    def forget_coordinators(self, *, metadata: bool) -> None:
        """A broker refused: who coordinates is asked anew, and with `metadata` also who leads."""
        self._coordinators.clear()
        if metadata:
            self._client.force_metadata_update()

    async def _ask_coordinator(self, kind: CoordinationType, key: str, request: WireRequest[Any]) -> Any:
        if (kind, key) not in self._coordinators:
            self._coordinators[kind, key] = await self._client.coordinator_lookup(kind, key)
        return await self._client.send(self._coordinators[kind, key], request)
