"""A client that is cancelled while it starts or stops, or closed while it connects, leaves no connection open."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

from tocsin.kafka.client import aiokafka_internals
from tocsin.kafka.client.connecting import start_client

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer])
async def test_the_first_connection_is_closed(
    kafka_server: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[AIOKafkaConnection] = []
    send = AIOKafkaConnection.send

    def unanswered(connection: AIOKafkaConnection, request: Any, **options: Any) -> Any:
        if not isinstance(request, MetadataRequest):
            return send(connection, request, **options)
        asked.append(connection)
        return asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaConnection, "send", unanswered)
    starting = asyncio.create_task(start_client(kind(bootstrap_servers=kafka_server)))
    while not asked:  # noqa: ASYNC110 - aiokafka tells nobody
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not asked[0].connected()
    await asyncio.sleep(0)  # its socket is closed in the loop's next turn


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer])
async def test_a_stop_that_is_cancelled_leaves_no_connection(
    kafka_server: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = kind(bootstrap_servers=kafka_server)
    await start_client(client)
    connections = client.client if kind is AIOKafkaProducer else client._client
    (node,) = (broker.nodeId for broker in connections.cluster.brokers())
    assert await connections.ready(node)
    held = list(connections._conns.values())
    waits = asyncio.Event()

    async def never(_: AIOKafkaClient) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(aiokafka_internals, "_close", never)
    stop = (
        aiokafka_internals.stop_producer(client, seconds=60)
        if kind is AIOKafkaProducer
        else aiokafka_internals.stop_reader(client)
    )
    stopping = asyncio.create_task(stop)
    await waits.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert held
    assert not [connection for connection in held if connection.connected()]
    assert not await connections.ready(node)
    await asyncio.sleep(0)  # sockets are closed in the loop's next turn


async def test_a_connection_that_the_broker_has_ended_is_closed(kafka_server: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=kafka_server)
    await client.bootstrap()
    (node,) = (broker.nodeId for broker in client.cluster.brokers())
    assert await client.ready(node)
    (former,) = client._conns.values()
    former._read_task.cancel()  # nobody has read that it has ended
    former._reader.feed_eof()
    assert await client.ready(node)
    assert former._reader is None
    await client.close()


async def test_a_client_that_is_closed_connects_no_more(
    kafka_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AIOKafkaClient(bootstrap_servers=kafka_server)
    await client.bootstrap()
    (node,) = (broker.nodeId for broker in client.cluster.brokers())
    connected: list[AIOKafkaConnection] = []
    may_go_on = asyncio.Event()
    connect = AIOKafkaConnection.connect

    async def slow(connection: AIOKafkaConnection) -> Any:
        answer = await connect(connection)
        connected.append(connection)
        await may_go_on.wait()
        return answer

    monkeypatch.setattr(AIOKafkaConnection, "connect", slow)
    connecting = asyncio.create_task(client.ready(node, group=ConnectionGroup.COORDINATION))
    while not connected:  # noqa: ASYNC110 - aiokafka tells nobody
        await asyncio.sleep(0.01)
    await client.close()
    may_go_on.set()
    assert not await connecting
    assert not connected[0].connected()
    assert not await client.ready(node)
    assert len(connected) == 1
    await asyncio.sleep(0)  # its socket is closed in the loop's next turn
