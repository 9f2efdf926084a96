"""`tocsin topics drained` and `tocsin topics carry`: what a move to another topic prefix asks of Kafka.

docs/operations/more-partitions.md has the whole of it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import typer

from tocsin.cli.output import print_table, refuse
from tocsin.contracts.topics import Group, Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import (
    Admin,
    CommittedOffset,
    ConsumerRecord,
    GroupView,
    GroupWitness,
    KafkaCluster,
    KafkaFault,
    KafkaSettings,
    NotReadToEnd,
    Offsets,
    ProducerRecord,
    Publisher,
    TopicPartition,
    read_to_end,
)
from tocsin.runtime import Health, SystemClock, load_settings
from tocsin.runtime.errors import OperatorError

READERS_OF_STATUS: Final = ("ledger",)
TIMERS: Final = ("scheduler",)
"""What waits there is not drained: `python -m tocsin.scheduler adopt` moves it."""
LOOK_EVERY: Final = 0.5  # seconds
READ_SECONDS: Final = 600.0
PUBLISH_SECONDS: Final = 30.0
AT_ONCE_BYTES: Final = 8 * 2**20
"""Of one call to the publisher, which holds 64 MiB."""

RecordsLeft = dict[tuple[str, str], int]
"""By group and topic: so many records that the group has not committed."""


def drained(
    *,
    ledger: Annotated[
        bool,
        typer.Option("--ledger", help="Ask whether the ledger has stored all, in place of the hand-over."),
    ] = False,
    lane: Annotated[list[Lane] | None, typer.Option(help="Only this lane; again for another one.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for it.")] = 0.0,
) -> None:
    """Whether everything under KAFKA_TOPIC_PREFIX is handed over: routers and dispatchers have left no record, and none is being written.

    Timers do not count. Exit code 0: nothing waits. 1: a table of what does, by group and topic.
    """
    settings = load_settings(KafkaSettings)
    groups = groups_to_drain(Topics(settings.topic_prefix), lanes=lane or list(Lane), ledger=ledger)
    try:
        left = asyncio.run(_until_drained(settings, groups, wait))
    except KafkaFault as fault:
        refuse(str(fault))
    if left is None:
        typer.echo(f"Nothing waits under {settings.topic_prefix}")
        return
    rows = [(group, topic, str(records)) for (group, topic), records in sorted(left.items()) if records]
    print_table("Not read to the end", ("group", "topic", "records"), rows)
    refuse("Records wait." if rows else "Nothing waits, but records are still being written.")


def groups_to_drain(topics: Topics, *, lanes: Sequence[Lane], ledger: bool) -> list[Group]:
    """The groups that hand messages over, or those of the ledger: its dead letters have no lane."""
    asked = [group for group in topics.groups() if (group.service in READERS_OF_STATUS) == ledger]
    ends = tuple(f".{end}" for end in (*lanes, "dead"))
    return [group for group in asked if group.service not in TIMERS and group.name.endswith(ends)]


async def _until_drained(
    settings: KafkaSettings, groups: Sequence[Group], seconds: float
) -> RecordsLeft | None:
    """None when nothing waits; else what does when the time is up."""
    until = time.monotonic() + seconds
    witness = GroupWitness(
        settings=settings, groups={group.name: group.topics for group in groups}, clock=SystemClock()
    )
    offsets = Offsets(settings=settings)
    await witness.open()
    try:
        await offsets.open()
        while True:
            try:
                left = await _look(witness, offsets, groups)
            except NotReadToEnd:  # behind an open transaction, or nobody leads a partition
                if time.monotonic() >= until:
                    raise
                await witness.close()
                await witness.open()
            else:
                if left is None or time.monotonic() >= until:
                    return left
            await asyncio.sleep(LOOK_EVERY)
    finally:
        await offsets.close()
        await witness.close()


async def _look(witness: GroupWitness, offsets: Offsets, groups: Sequence[Group]) -> RecordsLeft | None:
    """None when nothing waits, and nothing was written while we looked: whatever a group does with a record that it has not committed, it
    writes before it commits. So what all have committed, up to ends that stay, has no more consequences."""
    partitions = [
        TopicPartition(topic, number)
        for topic in {topic for group in groups for topic in group.topics}
        for number in range(await offsets.partitions(topic))
    ]
    before = await offsets.ends(partitions)
    unread = unread_of(await witness.look())
    if not any(unread.values()) and await offsets.ends(partitions) == before:
        return None
    return unread


def unread_of(views: Mapping[str, GroupView]) -> RecordsLeft:
    """By group and topic. NotReadToEnd where a group, or a partition of it, could not be looked at: nobody knows what waits there."""
    unread: RecordsLeft = {}
    for group, view in views.items():
        if view.unseen:
            unseen = ", ".join(f"{topic}/{number}" for topic, number in sorted(view.unseen))
            raise NotReadToEnd(
                f"What waits of {group} is not known: a leader or a coordinator is missing, of {unseen}."
            )
        for partition, waiting in view.unread.items():
            place = group, partition.topic
            unread[place] = unread.get(place, 0) + waiting.records
    return unread


def carry(
    former: Annotated[str, typer.Argument(metavar="PREFIX", help="The prefix that is left.")],
) -> None:
    """Copy from PREFIX to KAFKA_TOPIC_PREFIX what only Kafka holds: cancellations, and events and re-drives that came after the former
    routers had ended.

    A lane whose former routers are at work is left for later. Events keep their ids, and re-drives are claimed: one that is carried twice
    is sent once. Run it again for what comes later.
    """
    settings = load_settings(KafkaSettings)
    if former == settings.topic_prefix:
        refuse(f"{former} is KAFKA_TOPIC_PREFIX: set that to the new prefix, and name the former one.")
    try:
        carried = asyncio.run(_carry(settings, Topics(former)))
    except (KafkaFault, OperatorError) as fault:
        refuse(str(fault))
    typer.echo(
        f"{carried.cancellations} cancellations, {carried.events} events and {carried.redrives} re-drives carried to {settings.topic_prefix}"
    )
    if carried.left:
        typer.echo(f"Left for later, as its former routers are at work: {', '.join(carried.left)}", err=True)


@dataclass
class _Carried:
    cancellations: int = 0
    events: int = 0
    redrives: int = 0
    left: list[Lane] = field(default_factory=list)


async def _carry(settings: KafkaSettings, former: Topics) -> _Carried:
    topics, carried = Topics(settings.topic_prefix), _Carried()
    routers = [group for group in former.groups() if group.service == "router"]
    at_work = await _at_work(settings, routers)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    carrying = _Carrying(settings, limits=limits)
    await carrying.open()
    try:
        carried.cancellations = await carrying.all(former.cancels, topics.cancels)
        for lane in Lane:
            group = former.group("router", lane)
            if group in at_work:
                carried.left.append(lane)
                continue
            carried.events += await carrying.unread(group, former.events(lane), topics.events(lane))
            carried.redrives += await carrying.unread(group, former.intents(lane), topics.intents(lane))
    finally:
        await carrying.close()
    return carried


async def _at_work(settings: KafkaSettings, groups: Sequence[Group]) -> set[str]:
    """Those that have members, or may have some."""
    witness = GroupWitness(
        settings=settings, groups={group.name: group.topics for group in groups}, clock=SystemClock()
    )
    await witness.open()
    try:
        return {group for group, view in (await witness.look()).items() if view.may_be_at_work}
    finally:
        await witness.close()


class _Carrying:
    """Copies records from topic to topic, in the order of each partition; `open()` first, `close()` last."""

    def __init__(self, settings: KafkaSettings, *, limits: Mapping[str, int]) -> None:
        self._settings = settings
        self._publisher = Publisher(settings=settings, health=Health(service="tocsin"), limits=limits)
        self._offsets = Offsets(settings=settings)
        self._admin = Admin(settings=settings)

    async def open(self) -> None:
        await self._publisher.open()
        await self._offsets.open()
        await self._admin.open()

    async def close(self) -> None:
        await self._admin.close()
        await self._offsets.close()
        await self._publisher.close()

    async def all(self, source: str, target: str) -> int:
        """All that is kept: how many records."""
        count, _ = await self._copy(source, target, start=None)
        return count

    async def unread(self, group: str, source: str, target: str) -> int:
        """What the group has not read; afterwards it has. Killed in between, it is copied again by the next run."""
        partitions = [
            TopicPartition(source, number) for number in range(await self._offsets.partitions(source))
        ]
        commits = await KafkaCluster(self._settings).committed(group, partitions)
        if missing := set(partitions) - commits.keys():
            listed = ", ".join(str(partition.partition) for partition in sorted(missing))
            raise OperatorError(
                f"{group} has no position on {source}, partition {listed}, so nobody knows what it has not read. "
                "Set it with kafka-consumer-groups.sh --reset-offsets, then run this again."
            )
        start = {partition.partition: commit.offset for partition, commit in commits.items()}
        count, ends = await self._copy(source, target, start=start)
        if ends:
            await self._admin.commit(
                group, {at: CommittedOffset(end, commits[at].metadata) for at, end in ends.items()}
            )
        return count

    async def _copy(
        self, source: str, target: str, *, start: Mapping[int, int] | None
    ) -> tuple[int, dict[TopicPartition, int]]:
        """How many, and where each partition that had some was read to."""
        count, ends = 0, dict[TopicPartition, int]()
        batches = read_to_end(settings=self._settings, topic=source, start=start, deadline=READ_SECONDS)
        async for records in batches:
            for portion in portions(records):
                copies = [
                    ProducerRecord(target, record.key, record.value, record.headers) for record in portion
                ]
                await self._publisher.publish(copies, timeout=PUBLISH_SECONDS)
            count += len(records)
            ends[TopicPartition(source, records[0].partition)] = records[-1].offset + 1
        return count, ends


def portions(records: Sequence[ConsumerRecord]) -> list[list[ConsumerRecord]]:
    """The same records, so many bytes at a time."""
    made: list[list[ConsumerRecord]] = []
    size = 0
    for record in records:
        if not made or size + record.size > AT_ONCE_BYTES:
            made.append([])
            size = 0
        made[-1].append(record)
        size += record.size
    return made
