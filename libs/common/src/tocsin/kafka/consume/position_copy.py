"""Commits of groups whose positions stand beside their rows. Nobody reads on from these commits: whoever looks at the group from outside
sees its lag by them, and scaling by lag counts from them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka.errors import KafkaError

from tocsin.kafka.client.commits import CommitNote, CommittedOffset, write_note
from tocsin.kafka.consume.member import Member
from tocsin.kafka.consume.shard import FencedStoredShard, Shard, StoredShard
from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.records import TopicPartition

COPIED: Final = write_note(CommitNote(copied=True))
PERIOD: Final = 5.0
"""Seconds between two commits; one costs a request."""
LAST: Final = 1.0
"""Seconds for the one before the group is left."""


class PositionCopy:
    """Of one membership. A refusal is no fault: the store says who owns what, and whoever owns it next commits."""

    def __init__(self, member: Member, held: Callable[[], Mapping[int, Shard]]) -> None:
        self._member = member
        self._held = held
        self._committed: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Every five seconds, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            await self.commit()

    async def last(self) -> None:
        """Before the group is left, so that what is done does not look undone until somebody else commits."""
        try:
            async with asyncio.timeout(LAST):
                await self.commit()
        except TimeoutError:
            return

    async def commit(self) -> None:
        """What has moved in the shards held."""
        moved = {
            partition: CommittedOffset(lag.committed, COPIED)
            for shard in self._held().values()
            if isinstance(shard, StoredShard | FencedStoredShard)
            for partition, lag in shard.lag.items()
            if self._committed.get(partition) != lag.committed and _stands(shard, partition)
        }
        if not moved:
            return
        try:
            answered = await self._member.commit(moved)
        except (OwnershipLost, KafkaError):
            return
        if answered:
            self._committed |= {partition: commit.offset for partition, commit in moved.items()}


def _stands(shard: StoredShard | FencedStoredShard, partition: TopicPartition) -> bool:
    """Whether the store holds a position by now. Until then the group's commit is its start, which no copy may take the place of."""
    return (
        shard.stored[partition] is not None
        or shard.lag[partition].committed != shard.positions[partition].offset
    )
