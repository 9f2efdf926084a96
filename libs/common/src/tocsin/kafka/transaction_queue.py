"""Transactions of one slot, one after the other: what comes while one commits shares the next."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.kafka.errors import OwnershipLost
from tocsin.kafka.offsets import Position
from tocsin.kafka.packing import Limits
from tocsin.kafka.records import Outgoing, TopicPartition
from tocsin.runtime.clock import Clock

# A transaction larger than this keeps readers waiting without being any cheaper per record.
MOST_RECORDS = 5_000
MOST_BYTES = 8_388_608


class Transactions(Protocol):
    """What runs one transaction; see `TransactionalProducer.run`."""

    async def run(self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position]) -> None: ...


@dataclass(slots=True, eq=False)
class _Request:
    outgoing: Sequence[Outgoing]
    offsets: Mapping[TopicPartition, Position]
    size: int
    done: asyncio.Future[None]


class TransactionQueue:
    """Gathers requests into transactions, in the order they were submitted.

    ``gather``: least seconds between the starts of two transactions; the first after a pause never waits.
    ``failed`` is told of the first failure, after which every request fails.
    """

    def __init__(
        self,
        *,
        transactions: Transactions,
        limits: Limits,
        clock: Clock,
        gather: float,
        failed: Callable[[Exception], None],
        observe: Callable[[float], None],
    ) -> None:
        self._transactions = transactions
        self._limits = limits
        self._clock = clock
        self._gather = gather
        self._failed = failed
        self._observe = observe
        self._waiting: deque[_Request] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._began = float("-inf")
        self._failure: Exception | None = None

    def submit(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[TopicPartition, Position]
    ) -> asyncio.Future[None]:
        """A future that is done when all of it is committed. RecordTooLarge and OwnershipLost at once."""
        if self._failure is not None:
            raise OwnershipLost(
                f"An earlier transaction of this slot failed: {self._failure}"
            ) from self._failure
        size = self._limits.check(outgoing)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(outgoing, offsets, size, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return done

    async def close(self, reason: Exception) -> None:
        """Let a transaction under way end, and fail whatever still waits."""
        if self._failure is None:
            self._failure = reason
        if self._runner is not None:
            await asyncio.wait([self._runner])
        self._fail_waiting(self._failure)

    async def _run(self) -> None:
        try:
            while self._waiting and self._failure is None:
                await self._pace()
                if self._failure is None:
                    await self._run_one(self._next())
        finally:
            self._runner = None

    async def _pace(self) -> None:
        wait = self._began + self._gather - self._clock.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    def _next(self) -> list[_Request]:
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

    async def _run_one(self, requests: list[_Request]) -> None:
        if not requests:
            return
        self._began = self._clock.monotonic()
        outgoing = [record for request in requests for record in request.outgoing]
        offsets: dict[TopicPartition, Position] = {}
        for request in requests:
            offsets.update(request.offsets)
        try:
            await self._transactions.run(outgoing, offsets)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing may commit after it
            self._fail(requests, exc)
            return
        self._observe(self._clock.monotonic() - self._began)
        for request in requests:
            if not request.done.done():
                request.done.set_result(None)

    def _fail(self, requests: list[_Request], exc: Exception) -> None:
        self._failure = exc
        self._waiting.extendleft(reversed(requests))
        self._fail_waiting(exc)
        self._failed(exc)

    def _fail_waiting(self, exc: Exception) -> None:
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(exc)
                done.exception()  # whoever waits still gets it; nobody waiting is no second fault
