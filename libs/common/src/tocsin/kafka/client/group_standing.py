"""A consumer's standing in its group: who it is there, its heartbeats, and its commits. Beyond aiokafka's public names, as `aiokafka_internals`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from tocsin.kafka.client.aiokafka_internals import PATIENT_RETRY
from tocsin.kafka.records import TopicPartition

_GENERATION_OVER: Final = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


class GroupStanding:
    """Of a consumer that has been started."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._coordinator: Any = consumer._coordinator

    @property
    def member_id(self) -> str:
        """The broker's name for this member; empty once it was expelled."""
        return str(self._coordinator.member_id)

    @property
    def generation(self) -> int:
        """The generation of the group this member joined; negative once it was expelled."""
        return int(self._coordinator.generation)

    def watch_heartbeats(self, wrap: Callable[[Callable[[], Awaitable[bool]]], Awaitable[bool]]) -> None:
        """Let ``wrap(send)`` stand in for every heartbeat; it awaits ``send`` and returns its answer, which is
        True for no error and for REBALANCE_IN_PROGRESS. Call it before the first subscription."""
        send: Callable[[], Awaitable[bool]] = self._coordinator._do_heartbeat

        async def heartbeat() -> bool:
            return await wrap(send)

        self._coordinator._do_heartbeat = heartbeat

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Commit in the generation of this moment, and repeat what may be repeated; KafkaError when the group refuses, or has come to another
        generation meanwhile. aiokafka's own `commit` would repeat it in that one, where the partitions may be another member's."""
        if not offsets:
            return
        coordinator, generation = self._coordinator, self.generation
        committed = {
            AioTopicPartition(*place): OffsetAndMetadata(*offset) for place, offset in offsets.items()
        }

        async def once() -> None:
            if generation < 0 or generation != self.generation:
                raise CommitFailedError("the group has another generation by now")
            # Nothing is awaited between this look at the generation and aiokafka's own.
            await coordinator._do_commit_offsets(None, committed)

        while True:
            await coordinator.ensure_coordinator_known()
            try:
                async with coordinator._commit_lock:
                    await asyncio.shield(once())
            except KafkaError as error:
                if isinstance(error, _GENERATION_OVER) or not error.retriable:
                    raise
                await asyncio.sleep(PATIENT_RETRY)
            else:
                return

    async def beat(self) -> bool:
        """One heartbeat now: aiokafka sends its first only after an interval."""
        return bool(await self._coordinator._do_heartbeat())
