"""Outcomes on their way to `status`: stored in the order in which deliveries ended, as many at once as have gathered."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tocsin.kafka import NotStored, Overloaded, ProducerRecord, Publisher, RecordMetadata
from tocsin.observability import get_logger
from tocsin.runtime.failpoints import Failpoints

log = get_logger(__name__)

GATHER = 0.005
"""Seconds for which outcomes gather after several were stored together: a request to the broker costs us a millisecond."""
SEVERAL = 8
PUBLISH_TIMEOUT = 10.0
TRY_AGAIN_AFTER = 0.2


class PendingRecord(NamedTuple):
    """A record to store, an outcome, an intent to send or a dead letter, and what to do once it is."""

    record: ProducerRecord
    stored: Callable[[RecordMetadata], None]


class OutcomeWriter:
    """The outcomes and dead letters of one shard under one assignment: taken with `add`, stored while `run` runs."""

    def __init__(self, *, publisher: Publisher, failpoints: Failpoints) -> None:
        self._publisher = publisher
        self._failpoints = failpoints
        self._pending: list[PendingRecord] = []
        self._something_new = asyncio.Event()
        self._closed = False

    def add(self, pending: PendingRecord) -> None:
        """Store this one, too."""
        self._pending.append(pending)
        self._something_new.set()

    async def store(self, record: ProducerRecord) -> None:
        """Store this one, too; returns once it is stored, for as long as that takes."""
        stored = asyncio.get_running_loop().create_future()

        def tell(_: RecordMetadata) -> None:
            if not stored.done():
                stored.set_result(None)

        self.add(PendingRecord(record, tell))
        await stored

    def close(self) -> None:
        """Nothing more comes: `run` returns once everything is stored."""
        self._closed = True
        self._something_new.set()

    async def run(self) -> None:
        """Store what is added, until closed."""
        while self._pending or not self._closed:
            if not self._pending:
                self._something_new.clear()
                await self._something_new.wait()
                continue
            batch, self._pending = self._pending, []
            await self._failpoints.reach("before_outcome")
            stored = await self._store([pending.record for pending in batch])
            await self._failpoints.reach("after_outcome")
            for pending, metadata in zip(batch, stored, strict=True):
                pending.stored(metadata)
            if len(batch) >= SEVERAL and not self._closed:
                await asyncio.sleep(GATHER)

    async def _store(self, records: Sequence[ProducerRecord]) -> list[RecordMetadata]:
        """Until they are stored, for as long as it takes: an outcome is never given up. Storing one twice changes nothing."""
        while True:
            try:
                return await self._publisher.publish(records, timeout=PUBLISH_TIMEOUT)
            except (NotStored, Overloaded) as error:
                log.warning("outcomes not stored yet", outcomes=len(records), reason=str(error))
                await asyncio.sleep(TRY_AGAIN_AFTER)
