"""Where the partitions of a topic end."""

from tocsin.kafka import KafkaSettings, Offsets, TopicPartition


async def log_ends(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """By partition, the offset that its next record gets."""
    offsets = Offsets(settings=settings)
    await offsets.open()
    try:
        partitions = [TopicPartition(topic, number) for number in range(await offsets.partitions(topic))]
        high_watermarks = await offsets.ends(partitions)
    finally:
        await offsets.close()
    return {partition.partition: end for partition, end in high_watermarks.items()}
