"""A compacted topic, kept in memory: read to its end, then followed."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from tocsin.contracts.codec import UNREADABLE_ERRORS, describe_error
from tocsin.kafka.errors import KafkaFault, ReplicaUnreadable
from tocsin.kafka.lag import kind_and_lane
from tocsin.kafka.records import ConsumerRecord, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.tables.log_reader import LogReader, until_end
from tocsin.observability import metrics
from tocsin.runtime.health import Health
from tocsin.runtime.waiting import retry_until_available

POLL_SECONDS = 0.2
LOOK_SECONDS = 0.02
"""Between two looks at a position that is waited for: reading returns at once for records, and not for what is no record
(the marker of an aborted transaction)."""


class Replica:
    """A component: calls ``apply(record)`` for every committed record of ``topic``, oldest first, for ever.

    ``caught_up`` is set, and the health check turns ready, once the end as it was at the start is passed.
    `open` returns only then. A record without value is a tombstone. While the broker is away the replica stays
    as it is, and stays ready.

    Where ``apply`` raises what a decoder raises (`UNREADABLE_ERRORS`), ReplicaUnreadable halts the service, unless a later
    record of the same key can be read: `tocsin directory republish` mends a topic that way. Whatever else it raises
    ends the process.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        topic: str,
        apply: Callable[[ConsumerRecord], None],
        health: Health,
        partitions: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or f"replica {topic}"
        self.caught_up = asyncio.Event()
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._apply = apply
        # Rules and dashboards name checks, and hold for every prefix.
        own_name = topic.removeprefix(settings.topic_prefix)
        self._check = health.check(f"kafka {name or f'replica {own_name}'}")
        kind, _ = kind_and_lane(topic, prefix=settings.topic_prefix)
        self._applied = metrics.replica_records.labels(health.service, kind)
        self._shown = metrics.replica_caught_up.labels(health.service, kind)
        self._reader: LogReader | None = None
        self._unreadable: dict[bytes | None, str] = {}
        self._moved = asyncio.Event()

    async def open(self) -> None:
        """Read the topic to its end; waits for brokers and topic with a visible reason."""
        self._reader = await retry_until_available(
            "Kafka", self._connect, retry_on=(KafkaFault,), check=self._check, describe=str
        )
        self._check.set_not_ready(f"reading {self._topic} to its end")
        async for records in until_end(self._reader, topic=self._topic):
            self._take(records)
            await asyncio.sleep(0)  # a long log must not hold the event loop
        self._check_readable()
        self.caught_up.set()
        self._shown.set(1)
        self._check.set_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until ``stop``."""
        reader = self._reader
        if reader is None:
            raise RuntimeError(f"{self.name} is not open")
        while not stop.is_set():
            for records in await reader.read(seconds=POLL_SECONDS):
                self._take(records)
            self._moved.set()
            self._check_readable()

    @property
    def partitions(self) -> Sequence[TopicPartition]:
        """The partitions that it holds; none before `open`."""
        return [] if self._reader is None else self._reader.partitions

    def has_passed(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything that was committed below these offsets has been applied."""
        return self.caught_up.is_set() and self._reader is not None and not self._reader.behind(ends)

    async def passed(self, ends: Mapping[TopicPartition, int]) -> None:
        """Return once it `has_passed` these offsets. It must be running."""
        while not self.has_passed(ends):
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), LOOK_SECONDS)

    async def close(self) -> None:
        """Disconnect."""
        self._shown.set(0)
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def _connect(self) -> LogReader:
        reader = LogReader(settings=self._settings, topic=self._topic, partitions=self._partitions)
        await reader.open()
        return reader

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                self._apply(record)
            except UNREADABLE_ERRORS as error:
                self._unreadable[record.key] = f"{record.ref} cannot be read ({describe_error(error)})"
            else:
                self._unreadable.pop(record.key, None)
        self._applied.inc(len(records))

    def _check_readable(self) -> None:
        """Raise ReplicaUnreadable when the newest record of any key could not be read."""
        if not self._unreadable:
            return
        what = next(iter(self._unreadable.values()))
        sentence = f"The record {what}: upgrade this service, or run `tocsin directory republish` and start it again."
        self._check.set_not_ready(sentence)
        raise ReplicaUnreadable(sentence)
