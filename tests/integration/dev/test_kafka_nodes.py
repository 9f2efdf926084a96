"""Brokers behind a proxy, frozen, with a full disk, and three of them as one cluster."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from links import Network
from proxy import Mode
from tocsin.dev import KafkaCluster, KafkaServer
from tocsin.dev.processes import free_port

PATIENCE = 60.0


async def create_topic(servers: str, name: str, *, partitions: int = 1, replicas: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, replicas)])
    finally:
        await admin.close()


@pytest.mark.nightly  # each `make faults` goes through it, too
@pytest.mark.kafka
async def test_a_client_of_the_proxys_port_never_goes_past_the_proxy(tmp_path: Path) -> None:
    door = free_port()
    async with Network(tmp_path / "network") as network:
        with KafkaServer(tmp_path / "kafka", proxy_port=door) as server:
            assert await network.link("broker", server.proxied_port, port=door) == door
            await create_topic(server.bootstrap_servers, "kept")
            async with AIOKafkaProducer(
                bootstrap_servers=f"127.0.0.1:{door}", request_timeout_ms=2000
            ) as producer:
                await producer.send_and_wait("kept", b"one")
                await network.change("broker", Mode.HALF_OPEN)
                waiting = await producer.send("kept", b"two")
                server.freeze()
                server.thaw()
                await network.change("broker", Mode.PASS)
                await asyncio.wait_for(waiting, PATIENCE)


@pytest.mark.nightly
@pytest.mark.kafka
async def test_three_nodes_lose_nothing_with_one_of_them_gone_or_full(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster:
        await create_topic(cluster.bootstrap_servers, "kept", partitions=3, replicas=3)
        values = [b"%d" % number for number in range(300)]
        async with AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap_servers, acks="all", enable_idempotence=True
        ) as producer:
            for value in values[:100]:
                await producer.send_and_wait("kept", value)
            cluster.nodes[0].kill()
            for value in values[100:200]:
                await producer.send_and_wait("kept", value)
            await asyncio.to_thread(cluster.nodes[0].start)
            cluster.nodes[1].limit_files(1)
            for value in values[200:]:
                await producer.send_and_wait("kept", value)
        seen: set[bytes | None] = set()
        async with AIOKafkaConsumer(
            "kept", bootstrap_servers=cluster.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            async with asyncio.timeout(PATIENCE):
                while not seen.issuperset(values):
                    seen.add((await consumer.getone()).value)
