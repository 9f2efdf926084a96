"""How long what no provider took waits, and when it is given up: a table, and what holds for every policy."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel import Ambiguous, Answer, NotSent
from tocsin.channel.deferral import Defer, DeferralPolicy, defer_or_end
from tocsin.channel.retry_policy import Finish, NotTaken, Try
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.testing import ManualClock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)
POLICY = DeferralPolicy(first=4, factor=2, cap=900, attempts=100, age=6 * 86_400)


def after(
    attempt: int,
    *,
    policy: DeferralPolicy = POLICY,
    asked: float | None = None,
    began: float = 0,
    lives: float = 86_400,
    jitter: float = 1.0,
    earlier: Answer = UNREACHABLE,
) -> Defer | Finish:
    """What follows from an attempt that failed, `began` seconds after the first, of a message that lives `lives` seconds from now."""
    tries = [Try("a", earlier, attempt=max(1, attempt - 1)), Try("a", UNREACHABLE, attempt=attempt)]
    not_taken = NotTaken(reason=Reason.UNREACHABLE, code="421", detail="Later.", retry_after=asked)
    return defer_or_end(
        policy,
        not_taken,
        tries,
        first_at=NOW - timedelta(seconds=began),
        expires_at=NOW + timedelta(seconds=lives),
        now=NOW,
        jitter=jitter,
    )


def waits(step: Defer | Finish) -> float | None:
    """Seconds; None where it has ended."""
    return (step.due - NOW).total_seconds() if isinstance(step, Defer) else None


@pytest.mark.parametrize(
    ("attempt", "more", "seconds"),
    [
        (1, {}, 4),
        (3, {}, 16),
        (3, {"jitter": 0.0}, 0),
        (3, {"jitter": 0.25}, 4),
        (8, {}, 512),
        (9, {}, 900),
        (99, {}, 900),
        (100, {}, None),
        (1, {"asked": 60}, 64),
        (1, {"asked": 60, "jitter": 0.0}, 60),
        (9, {"lives": 100}, 100),
        (9, {"lives": 100, "asked": 60}, 100),
        (9, {"lives": 100, "asked": 97}, None),
        (9, {"lives": 3.9}, None),
        (9, {"lives": -1}, None),
        (9, {"began": 6 * 86_400 - 100}, 100),
        (9, {"began": 6 * 86_400}, None),
        (2, {"policy": DeferralPolicy(first=10, factor=3, cap=20, attempts=3)}, 20),
        (3, {"policy": DeferralPolicy(first=10, factor=3, cap=20, attempts=3)}, None),
        (1, {"policy": DeferralPolicy(first=10, age=0)}, None),
    ],
)
def test_waits(attempt: int, more: dict[str, Any], seconds: float | None) -> None:
    assert waits(after(attempt, **more)) == seconds


@pytest.mark.parametrize(
    ("earlier", "status", "reason", "retryable"),
    [
        (UNREACHABLE, StatusName.FAILED, Reason.RETRIES_EXHAUSTED, True),
        (Ambiguous(), StatusName.UNKNOWN, Reason.NO_ANSWER, None),
    ],
)
def test_what_is_given_up_claims_no_more_than_is_known(
    earlier: Answer, status: StatusName, reason: Reason, retryable: bool | None
) -> None:
    end = after(100, earlier=earlier)
    assert isinstance(end, Finish)
    assert (end.status, end.reason, end.retryable) == (status, reason, retryable)
    assert (end.code, end.detail) == ("421", "Later.")


def test_why_it_waits_is_what_the_provider_said() -> None:
    step = after(1)
    assert isinstance(step, Defer)
    assert (step.reason, step.code, step.detail) == (Reason.UNREACHABLE, "421", "Later.")


policies = st.builds(
    DeferralPolicy,
    first=st.floats(1, 3600),
    factor=st.floats(1, 10),
    cap=st.floats(1, 86_400),
    attempts=st.integers(1, 1000),
    age=st.floats(0, 6 * 86_400),
)


situations = st.fixed_dictionaries(
    {
        "began": st.floats(0, 7 * 86_400),
        "lives": st.floats(-10, 7 * 86_400),
        "asked": st.none() | st.floats(0, 86_400),
        "jitter": st.floats(0, 1, exclude_max=True),
    }
)


@given(policies, st.integers(1, 1000), situations)
def test_no_attempt_is_due_too_early_or_too_late(
    policy: DeferralPolicy, attempt: int, situation: dict[str, Any]
) -> None:
    step = after(attempt, policy=policy, **situation)
    began, lives, asked = situation["began"], situation["lives"], situation["asked"]
    seconds, slack = waits(step), 0.001  # a datetime has microseconds
    if seconds is None:
        return
    assert attempt < policy.attempts
    assert (asked or 0) - slack <= seconds <= (asked or 0) + policy.cap + slack
    assert seconds <= min(lives, policy.age - began) + slack


def outlive(outage: float, chance: Random) -> tuple[int, float]:
    """Attempts that a message makes which lives a day, and when it is sent, in seconds after the first."""
    clock, began, attempt = ManualClock(NOW), NOW, 3  # the first three follow one another within a second
    while (now := clock.now()) < began + timedelta(seconds=outage):
        step = defer_or_end(
            POLICY, NotTaken(reason=Reason.UNREACHABLE), [Try("a", UNREACHABLE, attempt=attempt)], first_at=began,
            expires_at=began + timedelta(days=1), now=now, jitter=chance.random(),
        )  # fmt: skip
        assert isinstance(step, Defer), "given up"
        clock.set(step.due)
        attempt += 1
    return attempt, (clock.now() - began).total_seconds()


@pytest.mark.parametrize(
    ("outage", "attempts", "late"),
    [(30, 10, 120), (600, 16, 850), (6 * 3600, 90, 850)],
    ids=["30 s", "10 min", "6 h"],
)
def test_an_outage_is_outlived_with_few_attempts_and_not_all_at_once(
    outage: float, attempts: int, late: float
) -> None:
    messages = [outlive(outage, Random(seed)) for seed in range(1_000)]
    assert max(made for made, _ in messages) <= attempts
    sent = sorted(at for _, at in messages)
    assert sent[989] <= outage + late, "99 of 100"
    fullest = max(sum(second <= at < second + late / 10 for at in sent) for second in sent[::50])
    assert fullest <= 400, "no more than 40 % within a tenth of the time"
