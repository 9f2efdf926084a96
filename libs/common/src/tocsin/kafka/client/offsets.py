"""Questions about logs and groups: which topics there are, what they keep, and what a group has committed."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError

from tocsin.kafka.client.aiokafka_internals import committed_with_metadata, high_watermarks, wait_for_metadata
from tocsin.kafka.client.commits import COMMAND, CommittedOffset, KeptRange
from tocsin.kafka.client.connecting import no_broker_answers, start_client
from tocsin.kafka.errors import KafkaFault, TopicFault
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.runtime.health import Check
from tocsin.runtime.waiting import retry_until_available


def topic_missing(topics: Iterable[str]) -> TopicFault:
    """The sentence for topics that do not exist."""
    return TopicFault(f"There is no topic {', '.join(sorted(topics))}: run `{COMMAND}`.")


async def connect_reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A connected client outside of any group: committed records only, no position of its own; whoever asked stops it.
    KafkaFault when no broker answers."""
    consumer = AIOKafkaConsumer(
        **settings.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
    )
    await start_client(consumer)
    return consumer


async def connect_to_group(settings: KafkaSettings, group: str) -> AIOKafkaConsumer:
    """A connected client that may look at a group's offsets, and write them while it has no members, without joining it; whoever
    asked stops it. KafkaFault when no broker answers."""
    consumer = AIOKafkaConsumer(
        **settings.client_options(), group_id=group, enable_auto_commit=False, auto_offset_reset="none"
    )
    await start_client(consumer)
    return consumer


async def committed_offsets(
    settings: KafkaSettings, group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, CommittedOffset]:
    """What a group has committed, asked without joining it; absent ones are left out. KafkaFault when no broker answers."""
    consumer = await connect_to_group(settings, group)
    try:
        committed = await committed_with_metadata(consumer, partitions)
    except KafkaError as exc:
        raise no_broker_answers(exc) from exc
    finally:
        await consumer.stop()
    return {partition: CommittedOffset(*commit) for partition, commit in committed.items()}


async def kept_ranges(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, KeptRange]:
    """What each partition keeps. KafkaError when no broker answers."""
    asked = list(partitions)
    if not asked:
        return {}
    starts = await consumer.beginning_offsets([AioTopicPartition(*partition) for partition in asked])
    ends = await high_watermarks(consumer, asked)
    return {
        partition: KeptRange(starts[AioTopicPartition(*partition)], ends[partition]) for partition in asked
    }


class Offsets:
    """A long-lived client for questions about logs. `open()` first, `close()` last; answers are fresh."""

    def __init__(self, *, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        self._consumer = await connect_reader(self._settings)

    async def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def topics(self) -> frozenset[str]:
        """The topics that exist and may be seen; asking creates none."""
        return frozenset(await self._open.topics())

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; TopicFault when there is no such topic."""
        if topic not in await self.topics():
            raise topic_missing([topic])
        return await wait_for_metadata(self._open, topic)

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset still kept, of each."""
        places = [AioTopicPartition(*partition) for partition in partitions]
        starts = await self._open.beginning_offsets(places) if places else {}
        return {TopicPartition(*place): offset for place, offset in starts.items()}

    async def kept(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, KeptRange]:
        """What each partition keeps."""
        return await kept_ranges(self._open, partitions)

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The high watermark of each, also when transactions are open below it."""
        return await high_watermarks(self._open, partitions)

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("Offsets is used before open()")
        return self._consumer


async def wait_for_topics(settings: KafkaSettings, topics: Iterable[str], *, check: Check) -> dict[str, int]:
    """The number of partitions of each topic, as soon as a broker answers and all of them exist; ``check`` says meanwhile
    what is waited for."""
    names = list(topics)

    async def look() -> dict[str, int]:
        offsets = Offsets(settings=settings)
        try:
            await offsets.open()
            missing = set(names) - await offsets.topics()
            if missing:
                raise topic_missing(missing)
            return {topic: await offsets.partitions(topic) for topic in names}
        except KafkaError as exc:
            raise no_broker_answers(exc) from exc
        finally:
            await offsets.close()

    return await retry_until_available("Kafka", look, retry_on=(KafkaFault,), check=check, describe=str)
