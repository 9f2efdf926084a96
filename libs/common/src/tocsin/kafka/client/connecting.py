"""Connecting a client of aiokafka to the brokers."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.kafka.client.aiokafka_internals import closed_unless_started
from tocsin.kafka.errors import KafkaFault


async def start_client(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Connect; KafkaFault when no broker answers. A client that could not connect, or was cancelled meanwhile, is stopped."""
    try:
        with closed_unless_started():
            await client.start()
    except BaseException as error:
        await client.stop()
        if isinstance(error, KafkaError):
            raise no_broker_answers(error) from error
        raise


def no_broker_answers(error: KafkaError) -> KafkaFault:
    """The sentence for brokers that cannot be asked."""
    return KafkaFault(f"No Kafka broker answers: {error}.")
