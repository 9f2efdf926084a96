"""Brokers and topics that are not up yet are waited for, and it is said what for."""

from collections.abc import Iterable

from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.offsets import Offsets, topic_missing
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.health import Check
from tocsin.runtime.waiting import retry_until_available


async def wait_for_topics(settings: KafkaSettings, topics: Iterable[str], *, check: Check) -> dict[str, int]:
    """The number of partitions of each topic, as soon as a broker answers and all of them exist."""
    wanted = list(topics)

    async def look() -> dict[str, int]:
        offsets = Offsets(settings=settings)
        try:
            await offsets.open()
            missing = set(wanted) - await offsets.topics()
            if missing:
                raise topic_missing(missing)
            return {topic: await offsets.partitions(topic) for topic in wanted}
        finally:
            await offsets.close()

    return await retry_until_available("Kafka", look, retry_on=(KafkaFault,), check=check, describe=str)
