"""A provider instance at work: deliveries wait in its queues, and its runners pull them.

A runner is a task that takes the next delivery, lets its shard carry it to the provider, and takes the next. There are as
many runners as the instance has places, each started when it is first needed; so a delivery waits in a queue, never in a
task. Runners belong to the process: all lanes and shards share them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tocsin.channel.breaker import BreakerPolicy
from tocsin.channel.breakers import Breakers
from tocsin.channel.delivery import Carrier, Delivery
from tocsin.channel.far_ends import FAR_END_ONE_IN, FarEndPlaces, FarEnds
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.priority_limiter import PriorityLimiter
from tocsin.channel.provider import Provider
from tocsin.channel.provider_queue import ProviderQueue
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.runtime import Clock

RESERVED_ONE_IN = 4
"""One of so many of an instance's places is kept for the critical lane, if this process serves it."""


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
        channel: Channel,
        clock: Clock,
        targets: frozenset[str] = frozenset(),
        predecessor: "ProviderInstance | None" = None,
        policy: BreakerPolicy,
        on_turn: Callable[[], None] = lambda: None,
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
        self._breakers = Breakers(
            channel=channel, provider=self.name, gate=self, on_turn=on_turn, policy=policy, clock=clock
        )
        self._shut = False
        """Whether no call may begin, as long as it has no other far end than itself."""
        self._successor: ProviderInstance | None = None
        self._queues = {lane: ProviderQueue(limit, self._far_ends) for lane, limit in lanes.items()}
        self._critical = self._queues.get(Lane.CRITICAL)
        self._others = deque(queue for lane, queue in self._queues.items() if lane is not Lane.CRITICAL)
        self._runners: set[_Runner] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._runner_woken = False
        self._retired = False

    def serves(self, job: Job) -> bool:
        """Whether the provider knows addresses of the job's target."""
        return job.target is None or job.target in self._targets

    @property
    def troubled(self) -> bool:
        """Whether one of its far ends does not work now."""
        return self._breakers.troubled > 0

    def works_for(self, job: Job) -> bool:
        """Whether the job's call goes where calls go through, or may begin now as the probe."""
        if not self.troubled:
            return True
        far_end = self._far_end(job) if self._far_end else None
        if self._breakers.is_closed(far_end):
            return True
        return self._breakers.works(far_end) and not any(
            waiting.far_end == far_end for queue in self._queues.values() for waiting in queue
        )

    def waiting(self) -> Iterator[Delivery]:
        """What waits, of all lanes."""
        return (delivery for queue in self._queues.values() for delivery in queue)

    def take_out(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take these out of the queues."""
        return [delivery for queue in self._queues.values() for delivery in queue.drop(wanted)]

    def views(self) -> list[dict[str, Any]]:
        """A line for each far end that is known, as `/internal/providers` shows it."""
        under_way = Counter(runner.delivery.far_end for runner in self._runners if runner.delivery)
        waiting = Counter(delivery.far_end for delivery in self.waiting())
        return [
            {
                "provider": self.name,
                "far_end": view.far_end,
                "breaker": view.state,
                "since": view.since.isoformat(),
                "calls_in_flight": under_way[view.far_end],
                "waiting": waiting[view.far_end],
                "places": self._places,
                "last_error": view.last_error,
            }
            for view in self._breakers.views()
        ]

    # The breakers' gate

    def shut(self, far_end: str | None) -> None:
        """No call to the far end begins."""
        if self._far_ends is not None:
            self._far_ends.shut(far_end)
        else:
            self._shut = True

    def open_again(self, far_end: str | None) -> None:
        """Calls to it may begin."""
        if self._far_ends is not None:
            self._far_ends.open_again(far_end)
        else:
            self._shut = False
        self.wake()

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
        return self.take_out(lambda delivery: delivery.carrier is carrier)

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
        self._breakers.close()
        for queue in self._queues.values():
            queue.leave(self._far_ends)
        return self.take_out(lambda _: True)

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
                # Of this call: the delivery may be in another instance's queue when it ends.
                far_end, tries = delivery.far_end, len(delivery.tries)
                call = self._breakers.begin(far_end)
                self.wake()
                runner.delivery = delivery
                try:
                    await delivery.carrier.carry(delivery, self._provider)
                finally:
                    runner.delivery = None
                    self._limiter.release()
                    if self._far_ends is not None:
                        self._far_ends.end(far_end)
                    answer = delivery.tries[tries].answer if len(delivery.tries) > tries else None
                    self._breakers.end(far_end, call, answer)
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

    def _next_queue(self) -> ProviderQueue | None:
        """The queue whose first delivery may begin now."""
        if self._shut:
            return None
        critical = self._critical if self._critical and self._critical.ready else None
        other = self._waiting_other()
        if critical and self._limiter.critical_may_begin(others_wait=other is not None):
            return critical
        if other and self._limiter.other_may_begin(critical_waits=critical is not None):
            return other
        return None

    def _waiting_other(self) -> ProviderQueue | None:
        return next((queue for queue in self._others if queue.ready), None)
