"""A client that is cancelled while it waits for the broker's first answer leaves no connection open."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

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
