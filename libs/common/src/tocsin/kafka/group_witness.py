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
from tocsin.kafka.records import ConsumerRecord, TopicPartition
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
    """What a look saw of a group's partition. The first record at ``committed`` or behind it was stored at ``oldest_ms``; where it cannot be
    read yet, it was first seen to wait then. With ``empty`` only the marks of transactions stand there. While it is not ``known`` what
    stands there, the next look reads again."""

    committed: int
    end: int
    oldest_ms: int | None = None
    empty: bool = False
    known: bool = False


def _known(look: _Look, before: _Look | None) -> _Look:
    """The look with what is known without reading: nothing waits, all of it has come since the look before, or the same stands there as
    then."""
    if look.committed >= look.end or (before is not None and look.committed >= before.end):
        return replace(look, known=True)
    if before is None or before.committed != look.committed or not before.known:
        return look
    if before.empty:
        return replace(before, end=look.end) if before.end == look.end else look
    return look if before.oldest_ms is None else replace(before, end=look.end)


class GroupWitness:
    """``groups`` has the topics of each group. `open()` first, `close()` last; a witness whose look failed is opened anew.

    A look costs two requests a group and one a broker. Records are read only of partitions in which something waits since the look
    before, one of each, and all of a group's at once.
    """

    def __init__(self, *, settings: KafkaSettings, groups: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._groups = groups
        self._client: BrokerClient | None = None
        self._reader = RecordReader(settings=settings)
        self._before: dict[str, dict[TopicPartition, _Look]] = {}

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
        topics, before = self._groups[group], self._before.setdefault(group, {})
        looks = {
            partition: _Look(committed[partition], end)
            for partition, end in ends.items()
            if partition.topic in topics and partition in committed
        }
        looks = {partition: _known(look, before.get(partition)) for partition, look in looks.items()}
        unknown = {partition: look.committed for partition, look in looks.items() if not look.known}
        for partition, (record, looked_to) in (await self._reader.first_of(unknown)).items():
            looks[partition] = self._found(looks[partition], record, looked_to, before.get(partition))
        self._before[group] = looks
        return {
            partition: Unread(0 if look.empty else max(0, look.end - look.committed), look.oldest_ms)
            for partition, look in looks.items()
        }

    def _found(
        self, look: _Look, record: ConsumerRecord | None, looked_to: int, before: _Look | None
    ) -> _Look:
        """The look with what stands at the committed offset."""
        if record is not None:
            return replace(look, oldest_ms=record.timestamp_ms, known=True)
        if looked_to >= look.end:
            return replace(look, empty=True, known=True)
        same = before is not None and before.committed == look.committed
        since = before.oldest_ms if before is not None and same else None
        return replace(look, oldest_ms=since if since is not None else self._clock.time_ms())

    @property
    def _open(self) -> BrokerClient:
        if self._client is None:
            raise KafkaFault("The witness of groups is not open.")
        return self._client
