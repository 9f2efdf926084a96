"""A provider instance under whatever comes: arrivals, ends, new bounds, revoked shards, dead far ends, rates. Time is told."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tocsin.channel import Accepted, Answer, NotSent, Provider
from tocsin.channel.breaker import BreakerPolicy
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.priority_limiter import FAIR
from tocsin.channel.provider_instance import ProviderInstance
from tocsin.channel.rates import Rates
from tocsin.channel.retry_policy import Try
from tocsin.contracts.jobs import Job, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.kafka import ConsumerRecord
from tocsin.testing import ManualClock

LINES = st.sampled_from(["a", "b", "c"])
PLACES = st.sampled_from([1, 2, 4, 5, 8, 16])
RATE = st.sampled_from([0.5, 1.0, 3.0])
RATES = {
    "one far end": st.just(Rates()),
    "many far ends": st.just(Rates()),
    "a rate": st.builds(Rates, rate=RATE, burst=st.sampled_from([1.0, 4.0, 8.0])),
    "a rate of each sender": st.builds(Rates, rate_per_sender=RATE),
}
UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)
REFUSED = NotSent(reason=Reason.CREDENTIALS_REFUSED)
ENDS: list[Answer | None] = [Accepted(), Accepted(), Accepted(), UNREACHABLE, REFUSED, None]


class ToldTime(asyncio.SelectorEventLoop):
    """Its timers are due when the clock is moved on."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.time = clock.monotonic  # type: ignore[method-assign]


class Direct:
    """A provider whose calls go to itself."""

    name = "first"

    async def open(self) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        """Nothing to end."""


class Hosts(Direct):
    """Its calls go to the host in the job's category."""

    def far_end(self, job: Job) -> str | None:
        return job.category


class Bucket:
    """What one rate has let out: in any t seconds rate * t and its burst, at most."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.times: list[float] = []

    def let_out(self, now: float) -> None:
        self.times.append(now)
        for number, begin in enumerate(self.times):
            assert len(self.times) - number <= self.burst + self.rate * (now - begin) + 1e-6, "too fast"

    def full(self, now: float) -> bool:
        return not self.times or now - self.times[-1] > (self.burst + 1) / self.rate


@dataclass(eq=False)
class Call:
    """One that is under way; the buckets that let it out."""

    delivery: Delivery
    critical: bool
    buckets: list[Bucket]
    end: "asyncio.Future[Answer | None]"


@dataclass(eq=False)
class Shard:
    """Carries deliveries as a test says."""

    machine: "InstanceMachine"
    lane: Lane
    calls: list[Call] = field(default_factory=list)
    wants_room = False

    def set_aside(self, delivery: Delivery, seconds: float) -> None:
        raise AssertionError((delivery, seconds))

    def enqueue(self, delivery: Delivery) -> None:
        self.machine.instance.put(self.lane, delivery)

    async def carry(self, delivery: Delivery, provider: Provider, _deadline: CallDeadline) -> None:
        try:
            buckets = self.machine.begins(self, delivery)
        except AssertionError as fault:
            self.machine.faults.append(fault)
            raise
        delivery.begun_at = 1.0
        call = Call(delivery, self.lane is Lane.CRITICAL, buckets, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        try:
            answer = await call.end
        finally:
            self.calls.remove(call)
        if answer is None:
            for bucket in buckets:
                bucket.times.remove(max(bucket.times))
            return
        delivery.tries.append(Try(provider.name, answer))
        if answer is UNREACHABLE and len(delivery.tries) < 3:
            self.enqueue(delivery)


class InstanceMachine(RuleBasedStateMachine):
    """One instance after the other; `generation` is the number of the newest."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.loop = ToldTime(self.clock)
        self.limits = {lane: LaneLimit(3, on_room=self.room_for_outcomes) for lane in Lane}
        self.unrecorded: list[Lane] = []
        self.shards = {lane: Shard(self, lane) for lane in Lane}
        self.retired: list[ProviderInstance] = []
        self.passed_over = 0
        self.faults: list[AssertionError] = []
        """What runners met, whose errors nobody hears."""

    def room_for_outcomes(self) -> None:
        self.instance.wake()

    def do(self, action: Callable[[], object] = lambda: None) -> None:
        """Do it, and let everything come to rest that follows at once."""

        async def to_rest() -> None:
            action()
            for _ in range(100):
                await asyncio.sleep(0)

        self.loop.run_until_complete(to_rest())
        if self.faults:
            raise self.faults[0]

    # What comes

    @initialize(kind=st.sampled_from(list(RATES)), places=PLACES, data=st.data())
    def start(self, kind: str, places: int, data: st.DataObject) -> None:
        self.kind = kind
        self.new_instance(places, data.draw(RATES[kind]), None)

    def new_instance(self, places: int, rates: Rates, predecessor: ProviderInstance | None) -> None:
        if predecessor is None or predecessor._rates != rates:
            self.of_instance = None if rates.rate is None else Bucket(rates.rate, rates.burst)
            self.of_senders: dict[str, Bucket] = {}
        self.places, self.rates = places, rates
        self.instance = ProviderInstance(
            cast("Any", Hosts() if self.kind == "many far ends" else Direct()),
            places=places,
            lanes=self.limits,
            channel=Channel.SMS,
            clock=self.clock,
            predecessor=predecessor,
            policy=BreakerPolicy(first_pause=2.0, longest_pause=4.0),
            rates=rates,
        )

    @rule(places=PLACES, data=st.data())
    def reconfigure(self, places: int, data: st.DataObject) -> None:
        predecessor = self.instance
        self.new_instance(places, data.draw(RATES[self.kind]), predecessor)

        def replace() -> None:
            self.retired.append(predecessor)
            for delivery in predecessor.retire(self.instance):
                delivery.carrier.enqueue(delivery)

        self.do(replace)

    @rule(lane=st.sampled_from(list(Lane)), line=LINES, number=st.integers(1, 12))
    def arrive(self, lane: Lane, line: str, number: int) -> None:
        job = SimpleNamespace(retry=None, category=line, sender=SenderIdentity(address=line), target=None)
        record = ConsumerRecord("jobs", 0, 0, 0, None, b"")
        shard = self.shards[lane]

        def come() -> None:
            for _ in range(number):
                shard.enqueue(Delivery(shard, record, cast("Job", job), b"", 0.0))

        self.do(come)

    @precondition(lambda self: any(True for _ in self.calls()))
    @rule(data=st.data(), number=st.integers(1, 8))
    def end(self, data: st.DataObject, number: int) -> None:
        calls = list(self.calls())[:number]
        answers = [data.draw(st.sampled_from(ENDS)) for _ in calls]
        self.do(lambda: self.answer(zip(calls, answers, strict=True)))

    def answer(self, answers: Iterable[tuple[Call, Answer | None]]) -> None:
        for call, answer in answers:
            call.end.set_result(answer)

    @rule(lane=st.sampled_from(list(Lane)))
    def revoke(self, lane: Lane) -> None:
        """The shard's waiting deliveries leave the queues, its calls are cancelled, and another shard begins."""
        shard, self.shards[lane] = self.shards[lane], Shard(self, lane)

        def give_up() -> None:
            self.instance.drop(shard)
            for instance in (self.instance, *self.retired):
                instance.cancel(shard)

        self.do(give_up)
        assert not shard.calls

    @rule(lane=st.sampled_from(list(Lane)))
    def outcome_waits(self, lane: Lane) -> None:
        if self.unrecorded.count(lane) < 3:
            self.unrecorded.append(lane)
            self.limits[lane].ended()

    @precondition(lambda self: self.unrecorded)
    @rule()
    def outcomes_are_stored(self) -> None:
        self.do(self.record)

    def record(self) -> None:
        while self.unrecorded:
            self.limits[self.unrecorded.pop()].recorded()

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.5, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.do()

    # What holds

    def calls(self) -> Iterator[Call]:
        return (call for shard in self.shards.values() for call in shard.calls)

    @property
    def open_to_others(self) -> int:
        return self.places - self.places // 4

    def taken(self, *, critical: bool | None = None, line: str | None = None) -> int:
        return sum(
            critical in {None, call.critical} and line in {None, call.delivery.job.category}
            for call in self.calls()
        )

    def has_turn(self, delivery: Delivery) -> bool:
        """Whether nothing but places may hold it up."""
        line, now = delivery.job.category, self.clock.monotonic()
        lane = cast("Shard", delivery.carrier).lane
        far_end = line if self.kind == "many far ends" else None
        return (
            not self.limits[lane].reached
            and self.instance._breakers.is_closed(far_end)
            and (far_end is None or self.taken(line=line) < max(1, self.places // 8))
            and (line not in self.of_senders or self.of_senders[line].full(now))
        )

    def begins(self, shard: Shard, delivery: Delivery) -> list[Bucket]:
        """Called for each call: whether it may begin. Returns the buckets that it takes from."""
        critical, line, now = shard.lane is Lane.CRITICAL, delivery.job.category, self.clock.monotonic()
        assert self.taken() < self.places, "more calls than places"
        assert critical or self.taken(critical=False) < self.open_to_others, "the critical share is eaten"
        if self.kind == "many far ends":
            assert self.taken(line=line) < max(1, self.places // 8), "more than the far end's share"
        self.others_are_not_passed_over(critical=critical)
        buckets = [] if self.of_instance is None else [self.of_instance]
        if (rate := self.rates.rate_per_sender) is not None:
            buckets.append(self.of_senders.setdefault(line, Bucket(rate, max(1.0, rate))))
        for bucket in buckets:
            bucket.let_out(now)
        return buckets

    def others_are_not_passed_over(self, *, critical: bool) -> None:
        others_wait = self.taken(critical=False) < self.open_to_others and any(
            cast("Shard", delivery.carrier).lane is not Lane.CRITICAL and self.has_turn(delivery)
            for delivery in self.instance.waiting()
        )
        self.passed_over = self.passed_over + 1 if critical and others_wait else 0
        assert self.passed_over < FAIR, "the critical lane has stopped the others"

    @invariant()
    def nothing_waits_that_may_begin(self) -> None:
        if self.of_instance is not None and not self.of_instance.full(self.clock.monotonic()):
            return
        for delivery in self.instance.waiting():
            critical = cast("Shard", delivery.carrier).lane is Lane.CRITICAL
            if self.taken() < (self.places if critical else self.open_to_others) and self.has_turn(delivery):
                raise AssertionError("it waits, and a place that it may have is free")

    def teardown(self) -> None:
        """Everything ends, and everything has been given back."""
        if not hasattr(self, "instance"):
            self.loop.close()
            return
        if self.unrecorded:
            self.outcomes_are_stored()
        for _ in range(600):
            if not any(True for _ in (*self.instance.waiting(), *self.calls())):
                break
            self.do(lambda: self.answer([(call, Accepted()) for call in self.calls()]))
            self.clock.advance(30.0)
            self.do()
        assert not list(self.instance.waiting())
        assert not list(self.calls())
        assert self.instance._limiter._taken == self.instance._limiter._taken_by_others == 0
        assert self.instance._lines is None or not self.instance._lines._taken
        self.loop.run_until_complete(self.close())
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()

    async def close(self) -> None:
        for instance in (*self.retired, self.instance):
            await instance.close()


TestInstance = InstanceMachine.TestCase
TestInstance.settings = settings(max_examples=50, stateful_step_count=30)
