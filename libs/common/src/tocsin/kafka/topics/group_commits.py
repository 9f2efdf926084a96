"""The commits of groups, as `tocsin topics apply` looks at them and writes them: starts, repairs, and accepted losses."""

from collections.abc import Collection, Mapping, Sequence

from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import KafkaError

from tocsin.kafka.client.commits import (
    CommitNote,
    CommittedOffset,
    KeptRange,
    read_back_position,
    write_note,
)
from tocsin.kafka.client.offsets import Offsets, committed_offsets, connect_to_group
from tocsin.kafka.errors import GroupAtWork
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.topics.plan import GroupSpec, Loss, StartOffset

NOTHING_YET = KeptRange(0, 0)
"""What a topic keeps that the plan creates."""


class GroupCommits:
    """Looks at and writes the commits of groups without joining them. ``offsets`` is open."""

    def __init__(self, *, settings: KafkaSettings, offsets: Offsets) -> None:
        self._settings = settings
        self._offsets = offsets

    async def look(
        self, spec: GroupSpec, *, existing: Collection[str], planned: Mapping[str, int]
    ) -> tuple[list[StartOffset], list[Loss]]:
        """What `apply` would write for the group, and what of its commits is no longer kept. ``planned`` has the partition counts of
        topics that do not exist yet."""
        partitions: list[TopicPartition] = []
        for topic in spec.topics:
            count = await self._offsets.partitions(topic) if topic in existing else planned[topic]
            partitions += [TopicPartition(topic, number) for number in range(count)]
        committed = await committed_offsets(self._settings, spec.group, partitions)
        kept = await self._offsets.kept(partition for partition in partitions if partition.topic in existing)
        starts: list[StartOffset] = []
        losses: list[Loss] = []
        for partition in partitions:
            commit, range_now = committed.get(partition), kept.get(partition, NOTHING_YET)
            if commit is None:
                starts.append(await self._start(spec, partition, range_now.start, existing))
            elif not range_now.holds(commit.offset):
                losses.append(
                    Loss(group=spec.group, partition=partition, committed=commit.offset, kept=range_now)
                )
            elif spec.read_back and read_back_position(commit.metadata) is None:
                starts.append(await self._start(spec, partition, commit.offset, existing, repair=True))
        return starts, losses

    async def _start(
        self,
        spec: GroupSpec,
        partition: TopicPartition,
        offset: int,
        existing: Collection[str],
        *,
        repair: bool = False,
    ) -> StartOffset:
        position = await self._read_back_from(spec, partition.partition, existing)
        return StartOffset(
            group=spec.group,
            topic=partition.topic,
            partition=partition.partition,
            offset=offset,
            metadata=write_note(CommitNote(read_back=position)),
            action="repair" if repair else "start",
            by_members=spec.stored and offset == 0 and not repair,
        )

    async def _read_back_from(self, spec: GroupSpec, number: int, existing: Collection[str]) -> int | None:
        """From the beginning: whatever stands there of this group's may have been sent already."""
        if spec.read_back is None:
            return None
        if spec.read_back not in existing:
            return 0
        partition = TopicPartition(spec.read_back, number)
        return (await self._offsets.starts([partition]))[partition]

    async def write(self, starts: Sequence[StartOffset]) -> None:
        """Commit the starts and repairs. GroupAtWork when a group has members that do not begin there by themselves."""
        for group in sorted({start.group for start in starts}):
            own = [start for start in starts if start.group == group]
            try:
                await self.commit(
                    group,
                    {
                        TopicPartition(start.topic, start.partition): CommittedOffset(
                            start.offset, start.metadata
                        )
                        for start in own
                    },
                )
            except GroupAtWork:
                if not all(start.by_members for start in own):
                    raise

    async def accept(self, losses: Sequence[Loss], specs: Sequence[GroupSpec]) -> None:
        """Commit where to read on instead, with a note of what was committed before: the service counts what was lost. What a commit says
        about the outcome log is read back from the beginning. GroupAtWork when a group has members."""
        existing = await self._offsets.topics()
        for spec in specs:
            moved: dict[TopicPartition, CommittedOffset] = {}
            for loss in losses:
                if loss.group == spec.group:
                    position = await self._read_back_from(spec, loss.partition.partition, existing)
                    note = CommitNote(read_back=position, lost_from=loss.committed)
                    moved[loss.partition] = CommittedOffset(loss.read_on_at, write_note(note))
            if moved:
                await self.commit(spec.group, moved)

    async def commit(self, group: str, commits: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Let the group go on there. GroupAtWork when it has members."""
        consumer = await connect_to_group(self._settings, group)
        offsets = {AioTopicPartition(*partition): tuple(commit) for partition, commit in commits.items()}
        try:
            consumer.assign(list(offsets))
            await consumer.commit(offsets)
        except KafkaError as exc:
            msg = (
                f"Group {group} has members, and Kafka takes its offsets from nobody else: stop them, wait 10 s, and run the command "
                "again. Members that cannot go on leave by themselves within seconds."
            )
            raise GroupAtWork(msg) from exc
        finally:
            await consumer.stop()
