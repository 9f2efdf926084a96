"""As of when a copy of a topic is: what it holds, compared with where the topic ended at a known moment."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from aiokafka.errors import KafkaError

from tocsin.kafka.client.offsets import Offsets
from tocsin.kafka.errors import KafkaFault
from tocsin.kafka.records import TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.tables.replica import Replica
from tocsin.runtime.clock import Clock, SystemClock
from tocsin.runtime.tasks import end_all
from tocsin.runtime.waiting import retry_until_available

ANSWER_SECONDS: Final = 2.0
"""A request without an answer is given up after so long, so that those who come later are not held up by it."""
_KEPT: Final = 64
"""Ends that the copy has not passed; of a copy that is further behind, the oldest are forgotten."""


class _Ends(NamedTuple):
    """The high watermarks of the copy's partitions, above open transactions too."""

    asked_at: float
    offsets: Mapping[TopicPartition, int]


class CatchUp(Protocol):
    """`CopyAge.catch_up`, as those who act on a copy are given it."""

    async def __call__(self, *, seconds: float) -> bool:
        """Wait until the copy holds everything that was committed before this call; False when it did not within `seconds`."""
        ...


async def always_current(*, seconds: float) -> bool:  # noqa: ARG001 - as `CatchUp` has it
    """Stands for `CopyAge.catch_up` where a copy is fed by hand and so holds everything."""
    return True


class CopyAge:
    """Component beside a `Replica`, opened after it: knows as of when that copy is.

    A copy is *as of t* when its position has passed an end of the topic that was asked for at t or later. Two ways to use it:

    * To act on everything that was published before this moment, `await age.catch_up(seconds=1.0)` and then look into the
      copy: the router before it decides, ingest before it refuses.
    * To know how old the copy is at any moment, call `ask` once a second (`every(1.0, age.ask, stop=stop)`) and compare
      `age.seconds()` with the bound: a dispatcher before a hand-off. It grows while brokers do not answer or the copy does not move.

    All who ask at the same time share one request, and requests begin at least `spacing` seconds after each other. They have a
    connection of their own: a broker answers the requests of one connection in order, and the copy's fetch waits there for half a second.
    """

    def __init__(
        self, *, settings: KafkaSettings, copy: Replica, spacing: float = 0.0, clock: Clock | None = None
    ) -> None:
        self.name: Final = f"age of {copy.name}"
        self._settings = settings
        self._copy = copy
        self._spacing = spacing
        self._clock = clock or SystemClock()
        self._offsets: Offsets | None = None
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[_Ends | None] | None = None
        self._under_way: set[asyncio.Task[_Ends | None]] = set()
        self._last_asked = float("-inf")
        self._as_of = float("-inf")
        self._not_passed: deque[_Ends] = deque(maxlen=_KEPT)

    async def open(self) -> None:
        """Connect; waits for brokers. Asks once, so that the age is known from the start."""
        offsets = Offsets(settings=self._settings)
        await retry_until_available("Kafka", offsets.open, retry_on=(KafkaFault,), describe=str)
        self._offsets = offsets
        await self.ask()

    async def run(self, stop: asyncio.Event) -> None:
        """Nothing of its own: it is asked."""
        await stop.wait()

    async def close(self) -> None:
        """Give up requests under way and disconnect."""
        await end_all(self._under_way)
        offsets, self._offsets = self._offsets, None
        if offsets is not None:
            await offsets.close()

    async def ask(self) -> bool:
        """Ask where the topic ends now; False when no broker answered in time. Whoever comes while a request is under way shares
        the next one: that one began too early for him."""
        return await self._ends() is not None

    async def catch_up(self, *, seconds: float) -> bool:
        """Wait until the copy holds everything that was committed before this call; False when it did not within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                ends = await self._ends()
                if ends is not None:
                    await self._copy.passed(ends.offsets)
                return ends is not None
        except TimeoutError:
            return False

    def seconds(self) -> float:
        """How old the copy is: it holds everything that was committed before so many seconds ago. Infinite until that is known."""
        self._look()
        return self._clock.monotonic() - self._as_of

    def _look(self) -> None:
        """Note which ends the copy has passed. Ends only grow, so the oldest is passed first."""
        while self._not_passed and self._copy.has_passed(self._not_passed[0].offsets):
            self._as_of = self._not_passed.popleft().asked_at

    async def _ends(self) -> _Ends | None:
        """The ends as they are at the call or later."""
        if self._next is None:
            self._next = asyncio.create_task(self._request())
            self._under_way.add(self._next)
            self._next.add_done_callback(self._under_way.discard)
        return await asyncio.shield(self._next)

    async def _request(self) -> _Ends | None:
        async with self._turn:
            pause = self._last_asked + self._spacing - self._clock.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            self._next = None  # from here on the request is too early for whoever comes
            self._last_asked = asked_at = self._clock.monotonic()
            if self._offsets is None:
                return None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    offsets = await self._offsets.ends(self._copy.partitions)
            except (TimeoutError, KafkaError):
                return None
            ends = _Ends(asked_at, offsets)
            self._look()
            self._not_passed.append(ends)
            return ends
