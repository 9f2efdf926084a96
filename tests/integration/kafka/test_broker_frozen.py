"""A broker that answers nothing any more: readiness says so, and comes back by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tocsin.dev.kafka import KafkaServer
from tocsin.kafka import GroupTimeouts, ProducerRecord
from tocsin.runtime import Health
from tocsin.testing.stage import MemoryTable
from tocsin.testing.until import until
from tocsin.web import operations_app

pytestmark = pytest.mark.kafka

TIMEOUTS = GroupTimeouts(send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of our own: nobody else's may be frozen."""
    with KafkaServer(tmp_path_factory.mktemp("frozen")) as server:
        yield server


@pytest.fixture(scope="module")
def kafka_server(broker: KafkaServer) -> str:
    return broker.bootstrap_servers


@contextmanager
def frozen(broker: KafkaServer) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


async def test_a_projection_is_unready_while_the_broker_is_frozen(stage: Any, broker: KafkaServer) -> None:
    await stage.topics("in", groups=["table"])
    table, health = MemoryTable(), Health(service="frozen")
    member = await stage.projection(table, health=health, timeouts=TIMEOUTS).start()
    transport = httpx.ASGITransport(app=operations_app(name="frozen", health=health))
    async with httpx.AsyncClient(transport=transport, base_url="http://frozen") as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async def unready_with_reason() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 503 and "does not answer heartbeats" in answer.text

        await until(ready)
        with frozen(broker):
            await until(unready_with_reason)
        await until(ready, seconds=60)
        await stage.publish(ProducerRecord(stage.topic("in"), None, b"after"))
        await until(lambda: table.rows == [b"after"])
    await member.leave()
