"""A client that does not connect says why, and is not left open."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tocsin.kafka import KafkaFault
from tocsin.kafka.client.connecting import start_client


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer])
async def test_where_no_broker_answers_it_is_stopped(kind: type, unused_tcp_port: int) -> None:
    client = kind(bootstrap_servers=f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(KafkaFault, match="No Kafka broker answers"):
        await start_client(client)
    assert client._closed


async def test_when_cancelled_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = AIOKafkaConsumer()
    monkeypatch.setattr(consumer, "start", asyncio.Event().wait)
    starting = asyncio.create_task(start_client(consumer))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert consumer._closed
