"""Looks at consumer groups from outside: a group that is frozen, dead or was never started tells nobody what it leaves unread."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.client.connecting import no_broker_answers
from tocsin.kafka.client.group_requests import committed_by, member_count
from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.tables.record_reader import RecordReader
from tocsin.runtime.clock import Clock

CLOSE_SECONDS: Final = 5.0


class Unread(msgspec.Struct, frozen=True):
    """What a group has not committed of one partition. ``oldest_ms`` is when the broker stored the oldest of it, None where nothing waits
    or what waits has come since the look before. Records behind an open transaction count, as they wait too; until they can be read,
    ``oldest_ms`` is when they were first seen to wait."""

    records: int
    oldest_ms: int | None


class GroupView(msgspec.Struct, frozen=True):
    """One group: its members now, and what it leaves unread. A partition of which it has committed nothing is left out."""

    members: int
    unread: dict[TopicPartition, Unread]


class _Look(msgspec.Struct, frozen=True):
    """What a look saw of a group's partition: the record at ``committed`` or the first behind it was stored, or seen to wait, at
    ``oldest_ms``. Where it is None it was not asked for, or (``empty``) only the marks of transactions stand there."""

    committed: int
    end: int
    oldest_ms: int | None = None
    readable: bool = True
    empty: bool = False

    def holds_for(self, end: int) -> bool:
        """Whether the same stands there now that the partition ends at ``end``."""
        return self.end == end if self.empty else self.readable and self.oldest_ms is not None


class GroupWitness:
    """``groups`` has the topics of each group. `open()` first, `close()` last; a witness whose look failed is opened anew.

    A look costs two requests a group and one a broker. Records are read only of partitions in which something waits since the look
    before, one of each.
    """

    def __init__(self, *, settings: KafkaSettings, groups: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._groups = groups
        self._client: BrokerClient | None = None
        self._reader = RecordReader(settings=settings)
        self._before: dict[tuple[str, TopicPartition], _Look] = {}

    async def open(self) -> None:
        """Connect; KafkaFault when no broker answers."""
        try:
            self._client = await BrokerClient.connected(self._settings)
            await self._reader.open()
        except KafkaError as error:
            raise no_broker_answers(error) from error

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close(seconds=CLOSE_SECONDS)
        await self._reader.close()

    async def look(self) -> dict[str, GroupView]:
        """Every group, by its name. KafkaFault when no broker answers, or a topic is missing."""
        client = self._open
        try:
            members = {group: await member_count(client, group) for group in self._groups}
            committed = {group: await committed_by(client, group) for group in self._groups}
            ends = await client.ends(await self._partitions(client))
            return {
                group: GroupView(members[group], await self._unread(group, committed[group], ends))
                for group in self._groups
            }
        except KafkaError as error:
            client.forget_coordinators(metadata=True)
            raise no_broker_answers(error) from error

    async def _partitions(self, client: BrokerClient) -> list[TopicPartition]:
        topics = {topic for topics in self._groups.values() for topic in topics}
        return [
            TopicPartition(topic, number)
            for topic in sorted(topics)
            for number in await client.partitions(topic)
        ]

    async def _unread(
        self, group: str, committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, Unread]:
        topics = self._groups[group]
        places = [partition for partition in ends if partition.topic in topics and partition in committed]
        return {
            partition: await self._behind(group, partition, committed[partition], ends[partition])
            for partition in places
        }

    async def _behind(self, group: str, partition: TopicPartition, committed: int, end: int) -> Unread:
        key = (group, partition)
        before, now = self._before.get(key), _Look(committed, end)
        if committed < end and (before is None or committed < before.end):
            now = await self._oldest(partition, now, before)
        self._before[key] = now
        return Unread(0 if now.empty else max(0, end - committed), now.oldest_ms)

    async def _oldest(self, partition: TopicPartition, now: _Look, before: _Look | None) -> _Look:
        """The look, with what stands at the committed offset: read once, for it stays the same until the group commits again."""
        same = before if before is not None and before.committed == now.committed else None
        if same is not None and same.holds_for(now.end):
            return replace(same, end=now.end)
        record, looked_to = await self._reader.first(partition, now.committed)
        if record is not None:
            return replace(now, oldest_ms=record.timestamp_ms)
        if looked_to >= now.end:
            return replace(now, empty=True)
        waiting_since = same.oldest_ms if same is not None else None
        return replace(now, oldest_ms=waiting_since or self._clock.time_ms(), readable=False)

    @property
    def _open(self) -> BrokerClient:
        if self._client is None:
            raise KafkaFault("The witness of groups is not open.")
        return self._client
