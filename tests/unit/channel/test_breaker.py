"""When a breaker opens, probes and closes: tables, and what holds whatever happens."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.breaker import Breaker, BreakerPolicy, BreakerState, Verdict, pause_asked_for, verdict_of
from tocsin.contracts.vocabulary import Reason

CLOSED, OPEN, HALF_OPEN = BreakerState
WORKS, FAILS, REFUSES_US, NOTHING = Verdict


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, NOTHING),
        (Accepted(), WORKS),
        (Rejected(reason=Reason.ADDRESS_INVALID), WORKS),
        (NotSent(reason=Reason.UNREACHABLE), FAILS),
        (NotSent(reason=Reason.PROVIDER_ERROR), FAILS),
        (NotSent(reason=Reason.CREDENTIALS_REFUSED), REFUSES_US),
        # One mailbox is full, one tenant's sender unknown: the next message may be taken.
        (NotSent(reason=Reason.RECIPIENT_REFUSED), WORKS),
        (NotSent(reason=Reason.SENDER_REFUSED), WORKS),
        (Throttled(), FAILS),
        (Ambiguous(), FAILS),
    ],
)
def test_what_an_answer_says_of_the_provider(answer: Answer | None, verdict: Verdict) -> None:
    assert verdict_of(answer) is verdict


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Throttled(retry_after=60), 60.0),
        (NotSent(reason=Reason.UNREACHABLE), 0.0),
        (Accepted(), 0.0),
        (None, 0.0),
    ],
)
def test_how_long_it_wants_to_be_left_alone(answer: Answer | None, seconds: float) -> None:
    assert pause_asked_for(answer) == seconds


def after(*calls: tuple[float, Verdict], policy: BreakerPolicy | None = None) -> Breaker:
    """A breaker after calls that took no time."""
    breaker = Breaker(now=0.0, policy=policy or BreakerPolicy())
    for now, verdict in calls:
        assert breaker.may_begin(now)
        breaker.end(breaker.begin(now), verdict, now)
    return breaker


def every_tenth(*verdicts: Verdict) -> list[tuple[float, Verdict]]:
    """A call each tenth of a second."""
    return [(number / 10, verdict) for number, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ([], CLOSED),
        (every_tenth(*[WORKS] * 50), CLOSED),
        (every_tenth(*[FAILS] * 4), CLOSED),
        (every_tenth(*[FAILS] * 5), OPEN),
        # Five in a row count however far apart they are: a channel may have a message a minute.
        ([(60.0 * number, FAILS) for number in range(5)], OPEN),
        (every_tenth(*[FAILS, FAILS, FAILS, FAILS, WORKS] * 1), CLOSED),
        # Half of at least ten.
        (every_tenth(*[WORKS, FAILS] * 5), OPEN),
        (every_tenth(*[WORKS, FAILS] * 4), CLOSED),
        (every_tenth(*[WORKS, WORKS, FAILS] * 20), CLOSED),
        # Ten seconds later they are forgotten.
        ([*every_tenth(*[WORKS, FAILS] * 4), (10.1, FAILS), (10.2, FAILS)], CLOSED),
        # A call that was not made says nothing.
        (every_tenth(*[FAILS, NOTHING] * 4), CLOSED),
        ([(0.0, REFUSES_US)], OPEN),
        (every_tenth(*[WORKS] * 50, REFUSES_US), OPEN),
        # Probes.
        ([(0.0, REFUSES_US), (1.0, WORKS)], CLOSED),
        ([(0.0, REFUSES_US), (1.0, FAILS)], OPEN),
        ([(0.0, REFUSES_US), (1.0, NOTHING)], OPEN),
        ([(0.0, REFUSES_US), (1.0, WORKS), (1.1, FAILS), (1.2, FAILS), (1.3, FAILS), (1.4, FAILS)], CLOSED),
    ],
)
def test_states(calls: list[tuple[float, Verdict]], state: BreakerState) -> None:
    assert after(*calls).state is state


@pytest.mark.parametrize(
    ("calls", "asked_for", "probe_at"),
    [
        ([], 0.0, 1.0),
        ([(1.0, FAILS)], 0.0, 3.0),
        ([(1.0, FAILS), (3.0, FAILS)], 0.0, 7.0),
        ([(1.0, FAILS), (3.0, REFUSES_US), (7.0, FAILS), (15.0, FAILS)], 0.0, 31.0),
        # Never longer than a minute between two probes.
        ([(1.0, FAILS), (3.0, FAILS), (7.0, FAILS), (15.0, FAILS), (31.0, FAILS), (63.0, FAILS)], 0.0, 123.0),
        # A flapping provider goes on where it stood; one that worked for a minute begins anew.
        ([(1.0, FAILS), (3.0, WORKS), (4.0, REFUSES_US)], 0.0, 8.0),
        ([(1.0, FAILS), (3.0, WORKS), (64.0, REFUSES_US)], 0.0, 65.0),
        # What the provider asks for is obeyed where it is longer.
        ([], 30.0, 30.0),
        ([], 0.5, 1.0),
    ],
)
def test_when_it_is_probed(calls: list[tuple[float, Verdict]], asked_for: float, probe_at: float) -> None:
    breaker = Breaker(now=0.0)
    breaker.end(breaker.begin(0.0), REFUSES_US, 0.0, asked_for=asked_for)
    for now, verdict in calls:
        breaker.end(breaker.begin(now), verdict, now)
    assert (breaker.state, breaker.probe_at) == (OPEN, probe_at)
    assert not breaker.may_begin(probe_at - 0.01)
    assert breaker.may_begin(probe_at)


def test_while_a_probe_is_under_way_nothing_else_begins() -> None:
    breaker = after((0.0, REFUSES_US))
    probe = breaker.begin(1.0)
    assert (breaker.state, breaker.may_begin(100.0)) == (HALF_OPEN, False)
    assert breaker.end(probe, NOTHING, 2.0) is True
    assert breaker.may_begin(2.0)


@pytest.mark.parametrize("late", [WORKS, FAILS, REFUSES_US])
def test_calls_begun_before_it_opened_are_not_heard(late: Verdict) -> None:
    breaker = Breaker(now=0.0)
    slow, refused = breaker.begin(0.0), breaker.begin(0.0)
    breaker.end(refused, REFUSES_US, 0.1)
    assert breaker.end(slow, late, 0.2) is False
    probe = breaker.begin(1.1)
    assert breaker.end(slow, late, 1.2) is False
    assert breaker.state is HALF_OPEN
    assert breaker.end(probe, WORKS, 1.3) is True
    assert breaker.state is CLOSED


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([WORKS, NOTHING])), max_size=100))
def test_a_provider_that_works_is_never_cut_off(calls: list[tuple[float, Verdict]]) -> None:
    now, breaker = 0.0, Breaker(now=0.0)
    for wait, verdict in calls:
        now += wait
        assert breaker.may_begin(now)
        breaker.end(breaker.begin(now), verdict, now)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.sampled_from(list(Verdict))), max_size=60), st.floats(0, 3600)
)
def test_once_it_works_again_one_probe_closes_it(
    calls: list[tuple[float, Verdict]], asked_for: float
) -> None:
    now, breaker = 0.0, Breaker(now=0.0)
    for wait, verdict in calls:
        now += wait
        if breaker.may_begin(now):
            breaker.end(breaker.begin(now), verdict, now, asked_for=asked_for)
    assert breaker.probe_at - now <= max(60.0, asked_for) + 1e-6
    now = max(now, breaker.probe_at)
    breaker.end(breaker.begin(now), WORKS, now)
    assert breaker.state is CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin whenever they may, and end in any order, with any verdict."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(now=0.0)
        self.under_way: list[tuple[int, Literal["probe", "call"]]] = []

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.may_begin(self.now))
    @rule()
    def begin(self) -> None:
        kind: Literal["probe", "call"] = "call" if self.breaker.state is CLOSED else "probe"
        self.under_way.append((self.breaker.begin(self.now), kind))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), verdict=st.sampled_from(list(Verdict)), asked_for=st.floats(0, 10))
    def end(self, data: st.DataObject, verdict: Verdict, asked_for: float) -> None:
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        call, _ = self.under_way.pop(index)
        before = self.breaker.state
        changed = self.breaker.end(call, verdict, self.now, asked_for=asked_for)
        assert changed is (self.breaker.state is not before)
        if changed:
            assert self.breaker.since == self.now

    @invariant()
    def one_probe_at_most(self) -> None:
        probes = [call for call, kind in self.under_way if kind == "probe"]
        assert len(probes) <= 1
        assert (self.breaker.state is HALF_OPEN) is bool(probes)

    @invariant()
    def nothing_begins_before_the_pause_is_over(self) -> None:
        if self.breaker.state is OPEN and self.now < self.breaker.probe_at:
            assert not self.breaker.may_begin(self.now)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=50)
