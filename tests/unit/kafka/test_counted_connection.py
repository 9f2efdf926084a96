"""What a connection to a broker counts, against a broker of a few bytes."""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.conn import CloseReason, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from prometheus_client import REGISTRY

from tocsin.kafka.client.counted_connection import CountedConnection

VERSIONS = struct.pack(">hi", 0, 1) + struct.pack(">hhh", 10, 0, 0)
"""Takes one version of one request."""
COORDINATOR = struct.pack(">hi", 0, 1) + struct.pack(">h", 1) + b"b" + struct.pack(">i", 9092)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Broker:
    """Answers the first requests of each connection with `answers`, and nothing after that."""

    def __init__(self) -> None:
        self.answers = [VERSIONS, COORDINATOR]
        self.drop = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in self.answers:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                number = request[4:8]
                writer.write(struct.pack(">i", 4 + len(answer)) + number + answer)
            await self.drop.wait()
        except asyncio.IncompleteReadError:
            pass  # the client has closed the connection
        finally:
            writer.close()


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    made = Broker()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.drop.set()
    server.close()
    await server.wait_closed()


def test_every_connection_of_the_process_counts() -> None:
    assert conn.AIOKafkaConnection is CountedConnection
    assert "AIOKafkaConnection" in create_conn.__code__.co_names


async def connected(broker: Broker) -> Any:
    return await create_conn("127.0.0.1", broker.port, request_timeout_ms=5_000)


async def test_connects_and_requests_are_counted(broker: Broker) -> None:
    def seen() -> tuple[float, float, float]:
        return (
            value("tocsin_kafka_connects_total", outcome="connected"),
            value("tocsin_kafka_request_seconds_count", request="api_versions"),
            value("tocsin_kafka_request_seconds_count", request="find_coordinator"),
        )

    before = seen()
    connection = await connected(broker)
    answer = await connection.send(FindCoordinatorRequest("group", 0))
    assert answer.coordinator_id == 1
    connection.close(CloseReason.SHUTDOWN)
    assert [now - then for now, then in zip(seen(), before, strict=True)] == [1, 1, 1]


async def test_a_connection_that_breaks_is_counted_and_one_that_we_close_is_not(broker: Broker) -> None:
    lost = value("tocsin_kafka_connections_lost_total", cause="broken")
    (await connected(broker)).close(CloseReason.SHUTDOWN)
    broker.answers = [VERSIONS]
    connection = await connected(broker)
    waiting = asyncio.ensure_future(connection.send(FindCoordinatorRequest("group", 0)))
    broker.drop.set()
    with pytest.raises(KafkaConnectionError):
        await waiting
    assert value("tocsin_kafka_connections_lost_total", cause="broken") == lost + 1


async def test_who_finds_nobody_is_counted() -> None:
    failed = value("tocsin_kafka_connects_total", outcome="failed")
    with pytest.raises(OSError, match="onnect"):
        await create_conn("127.0.0.1", 1, request_timeout_ms=5_000)
    assert value("tocsin_kafka_connects_total", outcome="failed") == failed + 1
