"""Transactions of one shard, one after the other: what comes while one commits shares the next."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.transactional_producer import Transactions
from tocsin.kafka.records import ProducerRecord, TopicPartition

# A transaction larger than this keeps readers waiting without being any cheaper per record.
MOST_RECORDS = 5_000
MOST_BYTES = 8_388_608


@dataclass(slots=True, eq=False)
class _Request:
    outgoing: Sequence[ProducerRecord]
    offsets: Mapping[TopicPartition, CommittedOffset]
    size: int
    done: asyncio.Future[None]


class TransactionQueue:
    """Joins requests into transactions, in the order in which they were submitted.

    ``failed`` is told of the first failure, after which every request fails.
    """

    def __init__(
        self, *, transactions: Transactions, limits: Limits, failed: Callable[[BaseException], None]
    ) -> None:
        self._transactions = transactions
        self._limits = limits
        self._failed = failed
        self._waiting: deque[_Request] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def submit(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> asyncio.Future[None]:
        """A future that is done when all of it is committed. RecordTooLarge and OwnershipLost at once."""
        if self._failure is not None:
            raise OwnershipLost(
                f"An earlier transaction of this shard failed: {self._failure}"
            ) from self._failure
        size = self._limits.check(outgoing)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(outgoing, offsets, size, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return done

    async def close(self, reason: Exception) -> None:
        """Let a transaction under way end, and fail whatever still waits. Cancelled, it gives that transaction up."""
        if self._failure is None:
            self._failure = reason
        if (runner := self._runner) is not None:
            try:
                await asyncio.wait([runner])
            finally:
                runner.cancel()
        self._fail_waiting(self._failure)

    async def _run(self) -> None:
        try:
            while self._waiting and self._failure is None:
                if requests := self._next():
                    await self._commit(requests)
        finally:
            self._runner = None

    def _next(self) -> list[_Request]:
        """The requests of the next transaction; those whose caller gave up are left out."""
        chosen: list[_Request] = []
        records = size = 0
        while self._waiting:
            request = self._waiting[0]
            records += len(request.outgoing)
            size += request.size
            if chosen and (records > MOST_RECORDS or size > MOST_BYTES):
                break
            chosen.append(self._waiting.popleft())
        return [request for request in chosen if not request.done.cancelled()]

    async def _commit(self, requests: list[_Request]) -> None:
        outgoing = [record for request in requests for record in request.outgoing]
        offsets: dict[TopicPartition, CommittedOffset] = {}
        for request in requests:
            offsets.update(request.offsets)
        try:
            await self._transactions.run(outgoing, offsets)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing may commit after it
            self._failure = exc
            self._waiting.extendleft(reversed(requests))
            self._fail_waiting(exc)
            self._failed(exc)
            return
        for request in requests:
            if not request.done.done():
                request.done.set_result(None)

    def _fail_waiting(self, exc: Exception) -> None:
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(exc)
                done.exception()  # whoever waits still gets it; asyncio would log it where nobody does
