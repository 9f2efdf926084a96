"""One slot, held by this process for the length of one assignment."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from tocsin.kafka.offsets import Position
from tocsin.kafka.records import Outgoing, Record, TopicPartition


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one slot, in offset order per partition, read under one assignment."""

    slot: int
    assignment: int
    records: list[Record]

    @property
    def offsets(self) -> dict[TopicPartition, Position]:
        """What to commit once all these records are dealt with: the next offset of each partition."""
        raise NotImplementedError


class Slot:
    """What a worker holds while the slot is its own.

    ``number`` and ``assignment`` name it; ``positions`` are the offsets (with metadata) that were committed
    when it was taken, after the former owner was fenced. ``revoked`` is set when the slot has to be given
    back: `take` then returns None, and the worker ends what is in flight, commits and returns.
    """

    number: int
    assignment: int
    positions: Mapping[TopicPartition, Position]
    revoked: asyncio.Event

    async def take(self, *, max_records: int = 500, max_bytes: int = 4_194_304) -> Batch | None:
        """The next records, at least one; None once the slot is revoked. Whatever a worker does before its
        first `take` (reading an outcome log back, say) happens before any record is handed out."""
        raise NotImplementedError

    async def transaction(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position] | None = None
    ) -> None:
        """Write all of it, and the offsets, or none of it. Returns once committed.

        Calls that come while another commits share the next transaction, in the order of the calls.
        RecordTooLarge is raised before anything is produced; any other error is OwnershipLost, and the
        process ends without commit.
        """
        raise NotImplementedError

    async def commit(self, offsets: Mapping[TopicPartition, Position]) -> None:
        """Commit offsets with their metadata outside of transactions, in this generation of the group.
        OwnershipLost when the group refuses."""
        raise NotImplementedError

    def lease_ok(self) -> bool:
        """Whether this process may still act for the slot: now - the sending of the last good heartbeat of
        this generation < session timeout - 2 s, and the assignment is still this one. Look at it
        immediately before each provider call; when it is False, drop everything held and leave."""
        raise NotImplementedError
