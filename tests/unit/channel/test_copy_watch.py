"""What is known of the copy's age holds for as long as it must, and no longer."""

from tocsin.channel.copy_watch import MAX_AGE, CopyWatch
from tocsin.runtime import Health
from tocsin.testing import ManualClock


class AgeOfLastAnswer:
    """Grows with the clock from the last answer on; counts how often it is measured."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.as_of = clock.monotonic()
        self.answers = True
        self.measured = 0

    async def ask(self) -> bool:
        if self.answers:
            self.as_of = self.clock.monotonic()
        return self.answers

    def seconds(self) -> float:
        self.measured += 1
        return self.clock.monotonic() - self.as_of


async def test_it_is_fresh_until_the_bound_and_asks_nobody_in_between() -> None:
    clock = ManualClock()
    age = AgeOfLastAnswer(clock)
    watch = CopyWatch(ages={"stops": age}, health=Health(service="test"), clock=clock)
    await watch.look()
    age.answers = False
    seen = []
    for step in (MAX_AGE - 0.001, 0.001):
        clock.advance(step)
        seen.append((watch.fresh, age.measured))
    assert seen == [(True, 1), (False, 2)]


async def test_when_the_copy_has_passed_a_later_end_it_is_fresh_at_once() -> None:
    clock = ManualClock()
    age = AgeOfLastAnswer(clock)
    watch = CopyWatch(ages={"stops": age}, health=Health(service="test"), clock=clock)
    await watch.look()
    clock.advance(MAX_AGE)
    assert not watch.fresh
    age.as_of += 1
    assert watch.fresh


async def test_before_anything_is_known_it_is_not_fresh() -> None:
    clock = ManualClock()
    age = AgeOfLastAnswer(clock)
    age.as_of, age.answers = float("-inf"), False
    watch = CopyWatch(ages={"stops": age}, health=Health(service="test"), clock=clock)
    await watch.look()
    assert not watch.fresh
