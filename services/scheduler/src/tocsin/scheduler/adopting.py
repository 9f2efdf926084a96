"""`python -m tocsin.scheduler adopt PREFIX`: the timers of another topic prefix become those of this one.

The schedulers of that prefix have ended. Whoever of them is only frozen is fenced first. Then the rest of their log is read into rows, and
in one PostgreSQL transaction each row gets the partition that its key has here, the topics of this prefix, and a place before all that
will ever be set here; and positions here take the place of the former ones. Killed before the commit, nothing has changed: run it again.
Where positions stand here, all that is done, and the former log is not read again: it would set what has fired since.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.database import Database
from tocsin.kafka import (
    GroupAtWork,
    GroupWitness,
    KafkaFault,
    KafkaSettings,
    Limits,
    Offsets,
    PartitionBatch,
    TopicPartition,
    TransactionalProducer,
    partition_for,
    read_to_end,
)
from tocsin.runtime import Health, OperatorError, SystemClock, load_settings
from tocsin.runtime.errors import ExitCode
from tocsin.scheduler.migrations import MIGRATIONS, SCHEMA
from tocsin.scheduler.one_prefix import SERVICE
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.scheduler.timers_log import read
from tocsin.scheduler.timers_table import TimersTable

READ_SECONDS: Final = 600.0
"""For what the former schedulers have not read of a lane."""
ROWS_AT_ONCE: Final = 5_000

_POSITIONS: Final = f"SELECT count(*) FROM {SCHEMA}.positions WHERE consumer_group = $1"  # noqa: S608 - the name of a schema of ours
_LET_GO: Final = f"DELETE FROM {SCHEMA}.positions WHERE consumer_group = $1"  # noqa: S608 - the name of a schema of ours
_BEGIN: Final = f"""
INSERT INTO {SCHEMA}.positions (consumer_group, topic, kafka_partition, next_offset)
SELECT $1, $2, number, next_offset FROM unnest($3::int[], $4::bigint[]) AS start (number, next_offset) ON CONFLICT DO NOTHING
"""  # noqa: S608 - the name of a schema of ours
_COUNT: Final = f"SELECT count(*) FROM {SCHEMA}.timers WHERE lane = $1"  # noqa: S608 - the name of a schema of ours
# In the order of their logs, so that those of one person stay in the order in which they were set.
_ROWS: Final = f"SELECT kafka_partition, id, key FROM {SCHEMA}.timers WHERE lane = $1 ORDER BY kafka_partition, kafka_offset"  # noqa: S608 - the name of a schema of ours
_MOVE: Final = f"""
UPDATE {SCHEMA}.timers t SET kafka_partition = moved.there, kafka_offset = moved.place, topic = $2::text || substr(t.topic, $3::int)
FROM unnest($4::int[], $5::uuid[], $6::int[], $7::bigint[]) AS moved (here, id, there, place)
WHERE t.lane = $1 AND t.kafka_partition = moved.here AND t.id = moved.id
"""  # noqa: S608 - the name of a schema of ours


class Adoption:
    """`settings` name the prefix that the timers are to have; `database` and `offsets` are open."""

    def __init__(
        self, *, settings: SchedulerSettings, former: str, database: Database, offsets: Offsets
    ) -> None:
        self._settings = settings
        self._former = former
        self._database = database
        self._offsets = offsets
        self._kafka: KafkaSettings = settings.kafka.model_copy(update={"topic_prefix": former})
        """As the former schedulers had it."""
        self._from, self._to = Topics(former), Topics(settings.kafka.topic_prefix)

    async def adopt(self, lane: Lane) -> int | None:
        """How many timers of this lane wait here now that waited there; None where that was done before. Raises KafkaFault and OperatorError;
        then none was moved."""
        if await self._is_done(lane):
            return None
        partitions = [
            TopicPartition(self._from.timers(lane), number)
            for number in range(await self._offsets.partitions(self._from.timers(lane)))
        ]
        await self._require_ended(lane)
        await self._fence(lane, len(partitions))
        await self._read_the_rest(lane, partitions)
        there = self._to.timers(lane)
        starts = await self._offsets.starts(
            TopicPartition(there, number) for number in range(await self._offsets.partitions(there))
        )
        async with self._database.driver() as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            # First: whoever else moves these positions waits here, and then finds none.
            await connection.execute(_LET_GO, self._from.group(SERVICE, lane))
            moved = await self._move(connection, lane, partitions=len(starts))
            numbers = [partition.partition for partition in starts]
            await connection.execute(
                _BEGIN, self._to.group(SERVICE, lane), there, numbers, list(starts.values())
            )
        # Who has begun since the first time has read rows that are not its own any more.
        await self._fence(lane, len(partitions))
        return moved

    async def _is_done(self, lane: Lane) -> bool:
        former, own = self._from.group(SERVICE, lane), self._to.group(SERVICE, lane)
        async with self._database.driver() as connection:
            done = bool(await connection.fetchval(_POSITIONS, own))
            if done and await connection.fetchval(_POSITIONS, former):
                raise OperatorError(
                    f"Both {former} and {own} have positions in these tables, so nobody can tell whose the timers of lane {lane} are. Where the former prefix "
                    f"is long gone, take the rows with consumer_group = '{former}' out of {SCHEMA}.positions."
                )
        return done

    async def _require_ended(self, lane: Lane) -> None:
        groups = {topics.group(SERVICE, lane): [topics.timers(lane)] for topics in (self._from, self._to)}
        witness = GroupWitness(settings=self._kafka, groups=groups, clock=SystemClock())
        await witness.open()
        try:
            views = await witness.look()
        finally:
            await witness.close()
        if at_work := [group for group, view in views.items() if view.may_be_at_work]:
            raise GroupAtWork(
                f"{', '.join(at_work)}: these groups have members, or have no coordinator that says so. Stop the schedulers, wait 10 s, and run the command again."
            )

    async def _fence(self, lane: Lane, partitions: int) -> None:
        """Nobody knows how many shards they counted: at most as many as there are partitions."""
        group = self._from.group(SERVICE, lane)
        for number in range(partitions):
            producer = TransactionalProducer(
                settings=self._kafka, transactional_id=f"{group}.{number}", group=group, limits=Limits({})
            )
            try:
                await producer.open()
            finally:
                await producer.close()

    async def _read_the_rest(self, lane: Lane, partitions: Sequence[TopicPartition]) -> None:
        """Without a position from the beginning: what has fired is told there, too."""
        table = TimersTable(database=self._database, group=self._from.group(SERVICE, lane), lane=lane)
        writable = [
            self._from.intents(lane),
            *(self._from.jobs(channel, lane) for channel in Channel),
        ]
        positions = dict(await table.load_positions(partitions))
        batches = read_to_end(
            settings=self._kafka,
            topic=self._from.timers(lane),
            start={partition.partition: offset for partition, offset in positions.items()},
            deadline=READ_SECONDS,
        )
        async for records in batches:
            said = read(records, writable=writable)
            if said.unreadable:
                record, reason = said.unreadable[0]
                raise OperatorError(
                    f"{record.ref} is no timer of this release: {reason}. Start a scheduler with KAFKA_TOPIC_PREFIX={self._former} once more: it "
                    "sets such records aside."
                )
            partition = TopicPartition(records[0].topic, records[0].partition)
            end = records[-1].offset + 1
            batch = PartitionBatch(
                partition=partition, records=records, expected=positions.get(partition), next=end
            )
            await table.keep([batch], said)
            positions[partition] = end

    async def _move(self, connection: Any, lane: Lane, *, partitions: int) -> int:
        total: int = await connection.fetchval(_COUNT, lane)
        place = -total
        # The cursor shows rows as they were when it was opened.
        cursor = await connection.cursor(_ROWS, lane)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            here, ids, keys = zip(*rows, strict=True)
            there = [partition_for(key, partitions) for key in keys]
            places = range(place, place + len(rows))
            await connection.execute(
                _MOVE, lane, self._to.prefix, len(self._former) + 1, here, ids, there, list(places)
            )
            place += len(rows)
        return total


async def adopt(settings: SchedulerSettings, former: str) -> dict[Lane, int | None]:
    """By lane of the settings, how many timers were moved; None where they had been before. Raises KafkaFault and OperatorError."""
    if former == settings.kafka.topic_prefix:
        raise OperatorError(
            f"{former} is KAFKA_TOPIC_PREFIX: set that to the new prefix, and name the former one."
        )
    health = Health(service=SERVICE)
    database = Database(
        settings=settings.database, service=SERVICE, check=health.check("database"), migrations=MIGRATIONS
    )
    offsets = Offsets(settings=settings.kafka)
    await database.open()
    try:
        await offsets.open()
        adoption = Adoption(settings=settings, former=former, database=database, offsets=offsets)
        return {lane: await adoption.adopt(lane) for lane in settings.lanes}
    finally:
        await offsets.close()
        await database.close()


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    if len(arguments) != 1:
        sys.stderr.write(
            "Name the prefix whose timers are to be adopted: python -m tocsin.scheduler adopt tocsin.\n"
        )
        return ExitCode.SETTINGS_INVALID
    try:
        moved = asyncio.run(adopt(load_settings(SchedulerSettings), arguments[0]))
    except (KafkaFault, OperatorError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.OPERATOR_MUST_ACT
    for lane, timers in moved.items():
        done = "adopted before, nothing done" if timers is None else f"{timers} timers adopted"
        sys.stdout.write(f"{lane}: {done}\n")
    return 0
