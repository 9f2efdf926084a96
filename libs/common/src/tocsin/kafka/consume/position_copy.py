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

COPIED: Final = write_note(CommitNote(copied=True))
PERIOD: Final = 5.0
"""Seconds between two commits; one costs a request."""


async def copy_positions(member: Member, held: Callable[[], Mapping[int, Shard]]) -> None:
    """Every five seconds, commit what has moved in the shards held; until cancelled. A refusal is no fault: the store says who owns what,
    and whoever owns it next commits."""
    committed: dict[object, int] = {}
    while True:
        await asyncio.sleep(PERIOD)
        moved = {
            partition: CommittedOffset(lag.committed, COPIED)
            for shard in held().values()
            if isinstance(shard, StoredShard | FencedStoredShard)
            for partition, lag in shard.lag.items()
            if committed.get(partition) != lag.committed
        }
        if not moved:
            continue
        try:
            answered = await member.commit(moved)
        except (OwnershipLost, KafkaError):
            continue
        if answered:
            committed |= {partition: commit.offset for partition, commit in moved.items()}
