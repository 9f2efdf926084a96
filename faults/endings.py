"""How messages ended, as `status` has it, read committed and all the while the ground is open."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_status
from tocsin.contracts.statuses import Decision
from tocsin.contracts.vocabulary import Again
from tocsin.kafka.client.aiokafka_internals import stop_reader

_POLL_MS = 200


class Endings:
    """What every notification's records on `status` say. Use it as a context."""

    def __init__(self, bootstrap_servers: str, topics: Mapping[str, int]) -> None:
        """`topics`: by name, the number of partitions."""
        self._topics = topics
        self._consumer = _consumer(bootstrap_servers)
        self._task: asyncio.Task[None] | None = None
        self.final: dict[str, set[str]] = defaultdict(set)
        """By notification: `sent`, `cancelled`, or the status with its reason: `failed(retries_exhausted)`."""
        self.cancel_requested: dict[str, float] = {}
        """By notification: when the broker stored that it is to be cancelled, in seconds since 1970."""
        self.deferred: set[str] = set()
        """Notifications that were put off at least once, and so have lost their place."""
        self.ids: dict[str, set[str]] = defaultdict(set)
        """By notification: the ids of its records."""
        self.read = 0
        """So many records, whatever they are about."""

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stop()

    async def turn_to(self, bootstrap_servers: str) -> None:
        """From now on counts what another cluster says, from its beginning, and nothing else."""
        await self._stop()
        for said in (self.final, self.cancel_requested, self.deferred, self.ids):
            said.clear()
        self.read = 0
        self._consumer = _consumer(bootstrap_servers)
        await self._start()

    async def _start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(
            [
                TopicPartition(topic, number)
                for topic, count in self._topics.items()
                for number in range(count)
            ]
        )
        self._task = asyncio.create_task(self._read())

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await stop_reader(self._consumer)  # also where the broker is gone

    def check(self) -> None:
        """Raises what ended the reading, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _read(self) -> None:
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            except KafkaError:  # the broker is away; the position stays
                await asyncio.sleep(_POLL_MS / 1000)
                continue
            for records in batches.values():
                for record in records:
                    self._note(record.value or b"", record.timestamp / 1000)
                self.read += len(records)

    def _note(self, value: bytes, stored: float) -> None:
        try:
            record = decode_status(value)
        except UNREADABLE_ERRORS:  # a scenario wrote it
            return
        notification = record.notification_id
        if notification is None:
            return
        self.ids[notification].add(record.status_id)
        if isinstance(record, Decision):
            if (
                record.again == Again.REDRIVE
            ):  # what it had come to before is undone, and it has lost its place
                self.final[notification].clear()
                self.deferred.add(notification)
            targets = [target for channel in record.channels for target in channel.targets]
            ended = [target for target in targets if target.outcome != "routed"]
            self.final[notification] |= {f"{one.outcome}({one.reason})" for one in ended}
            # A duplicate is a repeated event's end: the message that it repeats has its own.
            if not targets and record.outcome in {"expired", "skipped", "failed"}:
                self.final[notification].add(f"{record.outcome}({record.reason})")
            elif record.outcome == "cancelled":
                self.final[notification].add("cancelled")
        elif record.final:
            self.final[notification].add(
                record.status
                if record.status in {"sent", "cancelled"}
                else f"{record.status}({record.reason})"
            )
        elif record.status == "cancel_requested":
            self.cancel_requested[notification] = stored
        elif record.status == "deferred":
            self.deferred.add(notification)


def _consumer(bootstrap_servers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
