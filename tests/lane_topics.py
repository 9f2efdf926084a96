"""What `tocsin topics apply` makes of one lane, for tests that run one dispatcher on it."""

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import Admin, GroupSpec, KafkaSettings, TopicSpec


async def make_topics(
    kafka: KafkaSettings, channel: Channel, lane: Lane, *, partitions: int, with_starts: bool = True
) -> None:
    """All topics of the lane, and, if wanted, the start of the dispatcher's group."""
    topics = Topics(kafka.topic_prefix)
    specs = [
        TopicSpec(name=topic.name, partitions=topic.partitions or partitions)
        for topic in topics.all()
        if topic.lane in (None, lane)
    ]
    group = GroupSpec(
        group=topics.group(channel.dispatcher, lane),
        topics=(topics.jobs(channel, lane),),
        read_back=topics.status(lane),
    )
    admin = Admin(settings=kafka)
    await admin.open()
    try:
        await admin.apply(await admin.plan(specs, []))
        if with_starts:
            await admin.apply(await admin.plan(specs, [group]))
    finally:
        await admin.close()
