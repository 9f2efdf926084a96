"""A connected client that reads outside of any group."""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.settings import KafkaSettings


async def connect_reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """Committed records only, no position of its own; whoever asked stops it. KafkaFault when no broker answers."""
    consumer = AIOKafkaConsumer(
        **settings.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
    except KafkaError as exc:
        await consumer.stop()
        raise KafkaFault(f"No Kafka broker answers: {exc}.") from exc
    except asyncio.CancelledError:
        await consumer.stop()
        raise
    return consumer
