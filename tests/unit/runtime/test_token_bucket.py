"""A token bucket: never more than rate * t + burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime.token_bucket import TokenBucket


@pytest.mark.parametrize(
    ("taken", "now", "tokens", "wait"),
    [
        (0, 0.0, 1, 0.0),
        (0, 0.0, 4, 0.0),
        (0, 0.0, 5, 0.5),
        (4, 0.0, 1, 0.5),
        (4, 0.5, 1, 0.0),
        (4, 0.5, 2, 0.5),
        (4, 100.0, 4, 0.0),
        (4, 100.0, 5, 0.5),
    ],
)
def test_how_long_to_wait(taken: int, now: float, tokens: int, wait: float) -> None:
    """Two a second, four at once."""
    bucket = TokenBucket(rate=2, burst=4, now=0.0)
    for _ in range(taken):
        bucket.take(0.0)
    assert bucket.wait(now, tokens=tokens) == pytest.approx(wait)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0.9)])
def test_one_that_could_never_give_a_token_is_no_bucket(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        TokenBucket(rate=rate, burst=burst, now=0.0)


@given(st.floats(0.1, 1000), st.integers(1, 50), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_in_no_time_span_are_more_taken_than_promised(rate: float, burst: int, waits: list[float]) -> None:
    now, taken = 0.0, list[float]()
    bucket = TokenBucket(rate=rate, burst=burst, now=0.0)
    for wait in waits:
        now += wait
        if not bucket.wait(now):
            bucket.take(now)
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= rate * (taken[last] - begin) + burst + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50), st.integers(0, 200))
def test_who_waits_as_long_as_it_says_gets_a_token(rate: float, burst: int, messages: int) -> None:
    now, bucket = 0.0, TokenBucket(rate=rate, burst=burst, now=0.0)
    for _ in range(messages):
        now += bucket.wait(now)
        assert bucket.wait(now) < 1e-6
        bucket.take(now)
    assert now <= max(0, messages - burst) / rate * (1 + 1e-6) + 1e-6


def test_it_owes_what_was_taken_and_not_there() -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    bucket.take(0.0, tokens=25)
    assert bucket.wait(0.0) == pytest.approx(1.6)
    assert bucket.wait(1.6) == 0
    assert bucket.burst == 10
