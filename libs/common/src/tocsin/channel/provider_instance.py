"""A provider instance at work: deliveries wait in its queues, and its runners pull them.

A runner is a task that takes the next delivery, lets its shard carry it to the provider, and takes the next. There are as
many runners as the instance has places, each started when it is first needed; so a delivery waits in a queue, never in a
task. Runners belong to the process: all lanes and shards share them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

from tocsin.channel.delivery import Carrier, Delivery
from tocsin.channel.far_ends import FAR_END_ONE_IN, FarEndLine, FarEndPlaces, FarEnds
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.priority_limiter import PriorityLimiter
from tocsin.channel.provider import Provider
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Lane

RESERVED_ONE_IN = 4
"""One of so many of an instance's places is kept for the critical lane, if this process serves it."""


class _Queue:
    """What waits of one lane: deliveries that have begun come first."""

    def __init__(self, limit: LaneLimit, far_ends: FarEndPlaces | None) -> None:
        self._limit = limit
        self._begun: deque[Delivery] | FarEndLine = deque() if far_ends is None else FarEndLine(far_ends)
        self._new: deque[Delivery] | FarEndLine = deque() if far_ends is None else FarEndLine(far_ends)

    @property
    def ready(self) -> bool:
        return bool(self._begun or self._new) and not self._limit.reached

    def put(self, delivery: Delivery) -> None:
        (self._begun if delivery.begun_at else self._new).append(delivery)

    def take(self) -> Delivery:
        return self._begun.popleft() if self._begun else self._new.popleft()

    def drop(self, carrier: Carrier | None) -> list[Delivery]:
        """Take out what belongs to the carrier; without one, everything."""
        waiting = [*self._begun, *self._new]
        self._begun.clear()
        self._new.clear()
        dropped = []
        for delivery in waiting:
            if carrier is None or delivery.carrier is carrier:
                dropped.append(delivery)
            else:
                self.put(delivery)
        return dropped

    def leave(self, far_ends: FarEndPlaces | None) -> None:
        """Hear no more of the far ends' places."""
        if far_ends is not None:
            far_ends.lines -= {self._begun, self._new}


class _Runner:
    """A runner's task, and the delivery in its hands."""

    task: "asyncio.Task[None]"
    delivery: Delivery | None = None
    given_up = False
    """Its call was cancelled: it ends, also where the provider made an answer of the cancellation."""


class ProviderInstance:
    """A provider, the queues before it and its runners. `lanes` are the limits of the lanes that this process serves,
    `targets` those that jobs name and the provider serves.

    With the same number of places, an instance shares those of its `predecessor`, whose calls may still be under way. If the
    provider has many far ends, each has a share of the places and no more.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        places: int,
        lanes: Mapping[Lane, LaneLimit],
        targets: frozenset[str] = frozenset(),
        predecessor: "ProviderInstance | None" = None,
    ) -> None:
        self.name = provider.name
        self._targets = targets
        self._provider = provider
        self._places = places
        reserved = places // RESERVED_ONE_IN if Lane.CRITICAL in lanes else 0
        self._limiter = PriorityLimiter(places=places, reserved=reserved)
        self._far_end = provider.far_end if isinstance(provider, FarEnds) else None
        self._far_ends = FarEndPlaces(places=max(1, places // FAR_END_ONE_IN)) if self._far_end else None
        if predecessor is not None and predecessor._places == places:
            self._limiter = predecessor._limiter
            self._far_ends = self._far_ends and (predecessor._far_ends or self._far_ends)
        self._successor: ProviderInstance | None = None
        self._queues = {lane: _Queue(limit, self._far_ends) for lane, limit in lanes.items()}
        self._critical = self._queues.get(Lane.CRITICAL)
        self._others = deque(queue for lane, queue in self._queues.items() if lane is not Lane.CRITICAL)
        self._runners: set[_Runner] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._runner_woken = False
        self._retired = False

    def serves(self, job: Job) -> bool:
        """Whether the provider knows addresses of the job's target."""
        return job.target is None or job.target in self._targets

    async def open(self) -> None:
        """Prepare the provider."""
        await self._provider.open()

    def put(self, lane: Lane, delivery: Delivery) -> None:
        """Let the delivery wait for a runner."""
        if self._far_end is not None:
            delivery.far_end = self._far_end(delivery.job)
        self._queues[lane].put(delivery)
        self.wake()

    def wake(self) -> None:
        """Have one more runner look for work, if there is any that may begin. Before that runner begins it, it wakes the next.

        So when many deliveries come at once, no more runners are woken than there is work for. A retired instance wakes its
        successor: a call of its own has ended, and they may share places.
        """
        if self._retired:
            if self._successor is not None:
                self._successor.wake()
            return
        if self._runner_woken or self._next_queue() is None:
            return
        if self._idle:
            self._runner_woken = True
            self._idle.pop().set_result(None)
        elif len(self._runners) < self._places:
            self._runner_woken = True
            runner = _Runner()
            runner.task = asyncio.create_task(self._run(runner), name=f"runner of {self.name}")
            self._runners.add(runner)

    def drop(self, carrier: Carrier) -> list[Delivery]:
        """Take out of the queues what belongs to the carrier."""
        return [delivery for queue in self._queues.values() for delivery in queue.drop(carrier)]

    def cancel(self, carrier: Carrier) -> list["asyncio.Task[None]"]:
        """Cancel the calls under way for the carrier; the tasks returned end soon. Other runners take their places."""
        runners = [
            runner for runner in self._runners if runner.delivery and runner.delivery.carrier is carrier
        ]
        for runner in runners:
            runner.given_up = True
            runner.task.cancel()
        return [runner.task for runner in runners]

    def retire(self, successor: "ProviderInstance | None" = None) -> list[Delivery]:
        """Begin nothing more. Returns what waited. Calls under way go on, `close` waits for them, and as each ends the
        `successor` is woken; where that has been replaced, too, the one that works now."""
        self._retired = True
        self._successor = successor or self._successor
        for idle in self._idle:
            idle.set_result(None)
        self._idle.clear()
        for queue in self._queues.values():
            queue.leave(self._far_ends)
        return [delivery for queue in self._queues.values() for delivery in queue.drop(None)]

    async def close(self) -> None:
        """Retire, wait for the calls under way, close the provider."""
        self.retire()
        if self._runners:
            await asyncio.wait([runner.task for runner in self._runners])
        await self._provider.close()

    # Runners

    async def _run(self, runner: _Runner) -> None:
        self._runner_woken = False
        try:
            while not self._retired and not runner.given_up:
                delivery = self._take()
                if delivery is None:
                    await self._until_woken()
                    continue
                far_end = (
                    delivery.far_end
                )  # of this call: the delivery may be in another instance's queue when it ends
                self.wake()
                runner.delivery = delivery
                try:
                    await delivery.carrier.carry(delivery, self._provider)
                finally:
                    runner.delivery = None
                    self._limiter.release()
                    if self._far_ends is not None:
                        self._far_ends.end(far_end)
        finally:
            self._runners.discard(runner)
            self.wake()

    async def _until_woken(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._idle.append(turn)
        await turn
        self._runner_woken = False

    def _take(self) -> Delivery | None:
        queue = self._next_queue()
        if queue is None:
            return None
        critical = queue is self._critical
        self._limiter.acquire(critical=critical, others_wait=critical and self._waiting_other() is not None)
        if not critical:  # the lanes beside the critical one take turns
            self._others.remove(queue)
            self._others.append(queue)
        delivery = queue.take()
        if self._far_ends is not None:
            self._far_ends.begin(delivery.far_end)
        return delivery

    def _next_queue(self) -> _Queue | None:
        """The queue whose first delivery may begin now."""
        critical = self._critical if self._critical and self._critical.ready else None
        other = self._waiting_other()
        if critical and self._limiter.critical_may_begin(others_wait=other is not None):
            return critical
        if other and self._limiter.other_may_begin(critical_waits=critical is not None):
            return other
        return None

    def _waiting_other(self) -> _Queue | None:
        return next((queue for queue in self._others if queue.ready), None)
