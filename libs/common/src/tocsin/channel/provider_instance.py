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
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.delivery import Carrier, Delivery
from tocsin.channel.earliest_timer import EarliestTimer
from tocsin.channel.far_ends import FAR_END_ONE_IN, BoundedFarEnds, FarEndPlaces, FarEnds
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.priority_limiter import RESERVED_ONE_IN, PriorityLimiter
from tocsin.channel.provider import Provider
from tocsin.channel.provider_config import Idempotency
from tocsin.channel.provider_queue import ProviderQueue
from tocsin.channel.rates import NO_LIMITS, InstanceRate, Rates
from tocsin.channel.sender_turns import SenderTurns
from tocsin.channel.setting_aside import Queue, to_set_aside
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.runtime import Clock


def _sender_of(job: Job) -> str | None:
    """None: the instance's own."""
    return job.sender.address if job.sender is not None else None


class _Runner:
    """A runner's task, and the delivery in its hands."""

    task: "asyncio.Task[None]"
    delivery: Delivery | None = None
    given_up = False
    """Its call was cancelled: it ends, also where the provider made an answer of the cancellation."""


class ProviderInstance:
    """A provider, the queues before it and its runners. `lanes` are the limits of the lanes that this process serves,
    `targets` those that jobs name and the provider serves.

    Calls of its `predecessor` may still be under way: they go on taking their places, which both share. If the provider has
    many far ends, each has a share of the places and no more.
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
        rates: Rates = NO_LIMITS,
        idempotency: Idempotency = Idempotency.NONE,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = provider.name
        self.idempotency = idempotency
        self._targets = targets
        self._provider = provider
        self._places = places
        self._reserved = places // RESERVED_ONE_IN if Lane.CRITICAL in lanes else 0
        self._limiter = PriorityLimiter(places=places, reserved=self._reserved)
        self._far_end = provider.far_end if isinstance(provider, FarEnds) else None
        self._rates = rates
        self._rate = rates.of_instance(critical_served=Lane.CRITICAL in lanes, now=clock.monotonic())
        self._line_of = self._far_end or (None if rates.rate_per_sender is None else _sender_of)
        self._places_of_a_line = places
        if isinstance(provider, BoundedFarEnds):
            self._places_of_a_line = min(provider.far_end_places, places)
        elif self._far_end is not None:
            self._places_of_a_line = max(1, places // FAR_END_ONE_IN)
        self._lines = FarEndPlaces(places=self._places_of_a_line) if self._line_of else None
        self._senders: SenderTurns | None = None
        if (sender_rates := rates.of_senders()) is not None and self._lines is not None:
            if self._far_end is not None:
                raise ValueError("A provider with many far ends has no rate for each sender.")
            self._senders = SenderTurns(sender_rates, self._lines, on_turn=self.wake)
        if predecessor is not None:
            self._share(predecessor)
        self._clock = clock
        self._rate_timer = EarliestTimer(self.wake)
        """Until the rate allows another message: a critical one waits for less than those before it."""
        self._breakers = Breakers(
            channel=channel, provider=self.name, gate=self, on_turn=on_turn, policy=policy, clock=clock
        )
        self._shut = False
        """Whether no call may begin, if it has no other far end than itself."""
        self._successor: ProviderInstance | None = None
        self._queues = {lane: ProviderQueue(limit, self._lines) for lane, limit in lanes.items()}
        self._critical = self._queues.get(Lane.CRITICAL)
        self._others = deque(queue for lane, queue in self._queues.items() if lane is not Lane.CRITICAL)
        self._runners: set[_Runner] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._runner_woken = False
        self._retired = False

    def _share(self, predecessor: "ProviderInstance") -> None:
        """What counts calls counts on: calls under way are the predecessor's. With another rate a new count begins."""
        self._limiter = predecessor._limiter
        if predecessor._rates == self._rates:
            self._rate, self._senders = predecessor._rate, predecessor._senders
        same_far_ends = self._far_end is not None and predecessor._far_end is not None
        if same_far_ends or (self._senders is not None and self._senders is predecessor._senders):
            self._lines = predecessor._lines

    def _succeed(self) -> None:
        """What both share has this instance's bounds from now on: the predecessor begins no more calls."""
        self._limiter.resize(places=self._places, reserved=self._reserved)
        if self._lines is not None:
            self._lines.places = self._places_of_a_line
        if self._senders is not None:
            self._senders.on_turn = self.wake

    def serves(self, job: Job) -> bool:
        """Whether the provider knows addresses of the job's target."""
        return job.target is None or job.target in self._targets

    @property
    def troubled(self) -> bool:
        """Whether one of its far ends does not work now."""
        return self._breakers.troubled > 0

    @property
    def out_of_order(self) -> bool:
        """Whether nothing can be sent by it now. One with many far ends never is."""
        return self._far_end is None and not self._breakers.is_closed(None)

    @property
    def has_room(self) -> bool:
        """Whether it works, and a message that came now would begin at once."""
        return not self.troubled and not any(True for _ in self.waiting())

    def set_aside(self, *, another_has_room: bool) -> None:
        """Put off what makes room for messages of another provider: of carriers that want room, each far end by itself.

        Where no other provider has room, only what waits for far ends that can take no more makes it, and only while this one has places
        for others.
        """
        if not another_has_room and (self._far_end is None or self._limiter.taken >= self._places):
            return
        now, by_far_end = self._clock.monotonic(), dict[str | None, list[tuple[Delivery, float]]]()
        for delivery in self.waiting():
            if delivery.carrier.wants_room:
                waited = (delivery, now - delivery.enqueued_at)
                by_far_end.setdefault(self._far_end_of(delivery), []).append(waited)
        places = self._places_of_a_line
        per_second = float(places) if self._rates.rate is None else self._rates.rate
        for far_end, waiting in by_far_end.items():
            if not another_has_room and self._lines is not None and self._lines.has_room(far_end):
                continue
            queue = Queue(places, per_second, self._breakers.works_in(far_end))
            for delivery, seconds in to_set_aside(waiting, queue):
                self.remove(delivery)
                delivery.carrier.set_aside(delivery, seconds)

    def works_for(self, job: Job) -> bool:
        """Whether the job's call goes where calls go through, or may begin now as the probe."""
        if not self.troubled:
            return True
        far_end = self._far_end(job) if self._far_end else None
        if self._breakers.is_closed(far_end):
            return True
        if self._far_end is None:
            return self._breakers.works(None) and not any(True for _ in self.waiting())
        return self._breakers.works(far_end) and not any(
            queue.waits_for(far_end) for queue in self._queues.values()
        )

    def waiting(self) -> Iterator[Delivery]:
        """What waits, of all lanes."""
        return (delivery for queue in self._queues.values() for delivery in queue)

    def take_out(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take these out of the queues."""
        return [delivery for queue in self._queues.values() for delivery in queue.drop(wanted)]

    def remove(self, delivery: Delivery) -> bool:
        """Take this one out of its queue, however many wait. Whether it was there."""
        return any(queue.remove(delivery) for queue in self._queues.values())

    @property
    def places(self) -> int:
        """Calls that may be under way at once."""
        return self._places

    @property
    def calls(self) -> int:
        """Those under way, of its predecessors too."""
        return self._limiter.taken

    def views(self) -> list[dict[str, Any]]:
        """A line for each far end that is known, as `/internal/providers` shows it."""
        under_way = Counter(self._far_end_of(runner.delivery) for runner in self._runners if runner.delivery)
        waiting = Counter(self._far_end_of(delivery) for delivery in self.waiting())
        return [
            {
                "provider": self.name,
                "far_end": view.far_end,
                "breaker": view.state,
                "since": view.since.isoformat(),
                "calls_in_flight": under_way[view.far_end],
                "waiting": waiting[view.far_end],
                "places": self._places,
                "rate": self._rates.rate,
                "rate_per_sender": self._rates.rate_per_sender,
                "idempotency": self.idempotency,
                "last_error": view.last_error,
            }
            for view in self._breakers.views()
        ]

    # The breakers' gate

    def shut(self, far_end: str | None) -> None:
        """No call to the far end begins."""
        if self._far_end is not None and self._lines is not None:
            self._lines.shut(far_end)
        else:
            self._shut = True

    def open_again(self, far_end: str | None) -> None:
        """Calls to it may begin."""
        if self._far_end is not None and self._lines is not None:
            self._lines.open_again(far_end)
        else:
            self._shut = False
        self.wake()

    def _far_end_of(self, delivery: Delivery) -> str | None:
        return delivery.line if self._far_end is not None else None

    async def open(self) -> None:
        """Prepare the provider."""
        await self._provider.open()

    def put(self, lane: Lane, delivery: Delivery) -> None:
        """Let the delivery wait for a runner."""
        delivery.line = self._line_of(delivery.job) if self._line_of is not None else None
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
        if self._runner_woken or not (self._idle or len(self._runners) < self._places):
            return
        if self._next_queue() is None:
            return
        self._runner_woken = True
        if self._idle:
            self._idle.pop().set_result(None)
        else:
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
        self._rate_timer.cancel()
        for queue in self._queues.values():
            queue.leave(self._lines)
        if successor is not None:
            successor._succeed()
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
        deadline = CallDeadline()
        try:
            while not self._retired and not runner.given_up:
                queue = self._next_queue()
                if queue is None:
                    await self._until_woken()
                    continue
                delivery = self._take(queue)
                # Of this call: the delivery may be in another instance's queue when it ends.
                line, tries = delivery.line, len(delivery.tries)
                far_end = line if self._far_end is not None else None
                call = self._breakers.begin(far_end)
                self.wake()
                runner.delivery = delivery
                try:
                    await delivery.carrier.carry(delivery, self._provider, deadline)
                finally:
                    runner.delivery = None
                    self._limiter.release(critical=queue is self._critical)
                    if self._lines is not None:
                        self._lines.end(line)
                    answer = delivery.tries[tries].answer if len(delivery.tries) > tries else None
                    if answer is None and not runner.given_up:
                        self._give_back(line)
                    self._breakers.end(far_end, call, answer)
        finally:
            deadline.close()
            self._runners.discard(runner)
            self.wake()

    async def _until_woken(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._idle.append(turn)
        await turn
        self._runner_woken = False

    def _take(self, queue: ProviderQueue) -> Delivery:
        critical = queue is self._critical
        self._limiter.acquire(critical=critical, others_wait=critical and self._waiting_other() is not None)
        if not critical and len(self._others) > 1:  # the lanes beside the critical one take turns
            self._others.remove(queue)
            self._others.append(queue)
        delivery = queue.take()
        if self._lines is not None:
            self._lines.begin(delivery.line)
        if self._rate is not None:
            self._rate.take(self._clock.monotonic())
        if self._senders is not None:
            self._senders.take(delivery.line, self._clock.monotonic())
        return delivery

    def _give_back(self, sender: str | None) -> None:
        """No call was made: what has expired, or was cancelled, uses up nothing of a rate."""
        now = self._clock.monotonic()
        if self._rate is not None:
            self._rate.give_back(now)
        if self._senders is not None:
            self._senders.give_back(sender, now)

    def _next_queue(self) -> ProviderQueue | None:
        """The queue whose first delivery may begin now."""
        if self._shut:
            return None
        critical = self._critical if self._critical and self._critical.ready else None
        other = self._waiting_other()
        if self._rate is not None:
            critical, other = self._within_rate(self._rate, critical, other)
        if critical and self._limiter.critical_may_begin(others_wait=other is not None):
            return critical
        if other and self._limiter.other_may_begin(critical_waits=critical is not None):
            return other
        return None

    def _within_rate(
        self, rate: InstanceRate, critical: ProviderQueue | None, other: ProviderQueue | None
    ) -> tuple[ProviderQueue | None, ProviderQueue | None]:
        """Those of them that the rate lets begin now; what it lets begin later wakes a runner then."""
        now = self._clock.monotonic()
        if critical and (seconds := rate.wait_of_critical(now)):
            self._wake_in(seconds)
            return None, None
        others_turn = critical is not None and self._limiter.others_turn  # then they need leave nothing
        if other and not others_turn and (seconds := rate.wait_of_others(now)):
            self._wake_in(seconds)
            return critical, None
        return critical, other

    def _wake_in(self, seconds: float) -> None:
        if not self._retired:
            self._rate_timer.within(seconds)

    def _waiting_other(self) -> ProviderQueue | None:
        for queue in self._others:
            if queue.ready:
                return queue
        return None
