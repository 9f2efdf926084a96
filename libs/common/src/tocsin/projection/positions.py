"""Where a group stands, beside the rows that were made of what it read: moved only from where it was seen."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from tocsin.kafka import OwnershipLost, PartitionBatch, TopicPartition

POSITIONS_TABLE: Final = """
CREATE TABLE positions (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (consumer_group, topic, kafka_partition)
)
"""
"""For the first migration of a service's schema. Migrations that were applied say this: a change of the table is a migration of its own."""


class Positions:
    """Those of one group, in the table of one schema. Every call runs in the connection's own transaction."""

    def __init__(self, *, schema: str, group: str) -> None:
        self._group = group
        self._held = f"""
SELECT p.topic, p.kafka_partition, p.next_offset FROM {schema}.positions p
JOIN unnest($2::text[], $3::int[]) AS asked (topic, kafka_partition) USING (topic, kafka_partition)
WHERE p.consumer_group = $1
"""  # noqa: S608 - the name of a schema of ours
        # A rival waits on the row's lock, then sees the new offset: one of two wins.
        self._move = f"""
UPDATE {schema}.positions p SET next_offset = moved.next_offset
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS moved (topic, kafka_partition, expected, next_offset)
WHERE p.consumer_group = $1 AND p.topic = moved.topic AND p.kafka_partition = moved.kafka_partition
  AND p.next_offset = moved.expected
"""  # noqa: S608 - the name of a schema of ours
        self._begin = f"""
INSERT INTO {schema}.positions (consumer_group, topic, kafka_partition, next_offset)
SELECT $1, topic, kafka_partition, next_offset
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS first (topic, kafka_partition, next_offset)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - the name of a schema of ours

    async def held(
        self, connection: Any, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The positions held for these partitions; absent where the group has stored nothing yet."""
        topics = [partition.topic for partition in partitions]
        numbers = [partition.partition for partition in partitions]
        rows = await connection.fetch(self._held, self._group, topics, numbers)
        return {TopicPartition(topic, number): offset for topic, number, offset in rows}

    async def move(self, connection: Any, batches: Sequence[PartitionBatch]) -> None:
        """Move each position from the expected to the next. Raises OwnershipLost when one is not where it was expected: another
        process has the partition."""
        known = [batch for batch in batches if batch.expected is not None]
        new = [batch for batch in batches if batch.expected is None]
        moved = 0
        if known:
            expected = [batch.expected for batch in known]
            moved += rows_touched(
                await connection.execute(
                    self._move, self._group, *_topics_and_numbers(known), expected, _next_offsets(known)
                )
            )
        if new:
            moved += rows_touched(
                await connection.execute(
                    self._begin, self._group, *_topics_and_numbers(new), _next_offsets(new)
                )
            )
        if moved != len(batches):
            raise OwnershipLost(
                f"{len(batches) - moved} of {len(batches)} partitions of {self._group} were moved on by another process."
            )


def _topics_and_numbers(batches: Sequence[PartitionBatch]) -> tuple[list[str], list[int]]:
    return [batch.partition.topic for batch in batches], [batch.partition.partition for batch in batches]


def _next_offsets(batches: Sequence[PartitionBatch]) -> list[int]:
    return [batch.next for batch in batches]


def rows_touched(tag: str) -> int:
    """How many rows a statement touched, from its command tag, such as `UPDATE 3`."""
    return int(tag.rsplit(" ", 1)[1])
