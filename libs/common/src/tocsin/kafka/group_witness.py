"""Looks at consumer groups from outside: a group that is frozen, dead or was never started tells nobody what it leaves unread."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from msgspec.structs import replace

from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.client.connecting import no_broker_answers
from tocsin.kafka.client.group_requests import committed_by, member_count
from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.records import ConsumerRecord, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.tables.record_reader import RecordReader
from tocsin.runtime.clock import Clock

CLOSE_SECONDS: Final = 5.0
WAIT_MS: Final = 100
"""Within which a broker says that only marks of transactions stand somewhere."""
_REFUSED: Final = (GroupAuthorizationFailedError, TopicAuthorizationFailedError)


class Unread(msgspec.Struct, frozen=True):
    """What a group has not committed of one partition: all that is kept, where it has committed nothing, or an offset that is not kept.

    ``oldest_ms`` is when the broker stored the oldest of it, None where nothing waits or what waits has come since the look before.
    Records behind an open transaction count, as they wait too; until they can be read, ``oldest_ms`` is when they were first seen to wait.
    """

    records: int
    oldest_ms: int | None


class GroupView(msgspec.Struct, frozen=True):
    """One group: its members now, and what it leaves unread.

    ``unseen`` partitions have no leader, or the group has no coordinator; then its members are not known either. What ``unread`` says of them
    was seen last, and nothing where it never was.
    """

    members: int | None
    unread: dict[TopicPartition, Unread]
    unseen: frozenset[TopicPartition] = frozenset()

    @property
    def may_be_at_work(self) -> bool:
        """Whether it has members, or nobody could say so."""
        return self.members is None or self.members > 0


class _Look(msgspec.Struct, frozen=True):
    """What a look saw of a group's partition. The first record at ``begin`` or behind it was stored at ``oldest_ms``; where it cannot be read
    yet, it was first seen to wait then. With ``empty`` only the marks of transactions stand there. While it is not ``known`` what stands
    there, the next look reads again."""

    begin: int
    """Where the group would go on."""
    end: int
    oldest_ms: int | None = None
    empty: bool = False
    known: bool = False

    @property
    def unread(self) -> Unread:
        """What it comes to."""
        return Unread(0 if self.empty else self.end - self.begin, self.oldest_ms)


class _Standing(NamedTuple):
    """What a group's coordinator says of it."""

    members: int
    committed: dict[TopicPartition, int]


class GroupWitness:
    """``groups`` has the topics of each group. `open()` first, `close()` last; a witness whose look failed is closed and opened anew, and
    remembers nothing.

    A look costs two requests a group and some for all partitions. Records are read only of partitions in which something waits since
    the look before, one of each, and all of a group's at once.
    """

    def __init__(self, *, settings: KafkaSettings, groups: Mapping[str, Sequence[str]], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._groups = groups
        self._client: BrokerClient | None = None
        self._reader = RecordReader(settings=settings, wait_ms=WAIT_MS)
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
        self._before.clear()
        client, self._client = self._client, None
        if client is not None:
            await client.close(seconds=CLOSE_SECONDS)
        await self._reader.close()

    async def look(self) -> dict[str, GroupView]:
        """Every group, by its name. A partition without a leader, and a group without a coordinator, hide nothing of the others. KafkaFault
        when no broker answers or one refuses, TopicFault when a topic is missing."""
        standings = await self._standings()
        kept, leaderless = await self._reader.kept(
            topic for topics in self._groups.values() for topic in topics
        )
        views: dict[str, GroupView] = {}
        for group, topics in self._groups.items():
            standing = standings.get(group)
            without = leaderless if standing is not None else kept.keys() | leaderless
            unseen = frozenset(partition for partition in without if partition.topic in topics)
            if standing is not None:
                await self._look_at(group, standing.committed, kept, unseen)
            unread = {partition: look.unread for partition, look in self._before.get(group, {}).items()}
            views[group] = GroupView(standing.members if standing is not None else None, unread, unseen)
        return views

    async def _standings(self) -> dict[str, _Standing]:
        """Of every group whose coordinator answers; at least one does."""
        client, standings = self._open, dict[str, _Standing]()
        silent: KafkaError | None = None
        for group in self._groups:
            try:
                standings[group] = _Standing(
                    await member_count(client, group), await committed_by(client, group)
                )
            except _REFUSED as error:
                raise KafkaFault(
                    f"Kafka refuses: {error}. `tocsin acls` prints what a witness may do."
                ) from error
            except KafkaError as error:
                if not error.retriable:
                    raise no_broker_answers(error) from error
                client.forget_coordinators(metadata=True)
                silent = error
        if silent is not None and not standings:
            raise no_broker_answers(silent) from silent
        return standings

    async def _look_at(
        self,
        group: str,
        committed: Mapping[TopicPartition, int],
        kept: Mapping[TopicPartition, KeptRange],
        unseen: Collection[TopicPartition],
    ) -> None:
        """What is seen now takes the place of what was seen before; what cannot be seen stands."""
        topics, before = self._groups[group], self._before.get(group, {})
        looks = {
            partition: _known(_look(committed.get(partition), keeps), before.get(partition))
            for partition, keeps in kept.items()
            if partition.topic in topics
        }
        unknown = {partition: look.begin for partition, look in looks.items() if not look.known}
        for partition, (record, looked_to) in (await self._reader.first_of(unknown, kept)).items():
            looks[partition] = self._found(looks[partition], record, looked_to, before.get(partition))
        self._before[group] = looks | {
            partition: look for partition, look in before.items() if partition in unseen
        }

    def _found(
        self, look: _Look, record: ConsumerRecord | None, looked_to: int, before: _Look | None
    ) -> _Look:
        """The look with what stands where the group would go on."""
        if record is not None:
            return replace(look, oldest_ms=record.timestamp_ms, known=True)
        if looked_to >= look.end:
            return replace(look, empty=True, known=True)
        same = before is not None and before.begin == look.begin
        since = before.oldest_ms if before is not None and same else None
        return replace(look, oldest_ms=since if since is not None else self._clock.time_ms())

    @property
    def _open(self) -> BrokerClient:
        if self._client is None:
            raise KafkaFault("The witness of groups is not open.")
        return self._client


def _look(committed: int | None, keeps: KeptRange) -> _Look:
    """A log that was cut off ends below what was committed, and its new records wait for a person as much as lost ones do."""
    there = committed is not None and keeps.holds(committed)
    return _Look(committed if committed is not None and there else keeps.start, keeps.end)


def _known(look: _Look, before: _Look | None) -> _Look:
    """The look with what is known without reading: nothing waits, all of it has come since the look before, or the same stands there as
    then."""
    if look.begin >= look.end or (before is not None and look.begin >= before.end):
        return replace(look, known=True)
    if before is None or before.begin != look.begin or not before.known:
        return look
    if before.empty:
        return before if before.end == look.end else look
    return look if before.oldest_ms is None else replace(before, end=look.end)
