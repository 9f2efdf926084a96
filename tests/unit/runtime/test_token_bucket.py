"""How many a second: a table of waits, and what holds for every sequence of takings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime.token_bucket import TokenBucket

# rate, burst; (second, tokens, the wait there) each, taken where there is none
TABLE: list[tuple[float, float, list[tuple[float, float, float]]]] = [
    (1, 1, [(0, 1, 0), (0, 1, 1), (0.5, 1, 0.5), (1, 1, 0), (1.5, 1, 0.5)]),
    (10, 10, [(0, 10, 0), (0, 1, 0.1), (0.1, 1, 0), (100, 10, 0), (100, 10, 1)]),
    (10, 10, [(0, 25, 0), (0, 1, 1.6), (1.6, 1, 0)]),  # it owes 15
    (
        10,
        10,
        [(0, 1, 0), (0, 25, 0.1), (0.1, 25, 0), (0.1, 1, 1.6)],
    ),  # what is never there waits until the bucket is full
    (0.5, 1, [(0, 1, 0), (1, 1, 1), (2, 1, 0)]),
]


@pytest.mark.parametrize(("rate", "burst", "moments"), TABLE)
def test_waits(rate: float, burst: float, moments: list[tuple[float, float, float]]) -> None:
    bucket = TokenBucket(rate=rate, burst=burst, now=0)
    for now, tokens, wait in moments:
        assert bucket.wait(now, tokens=tokens) == pytest.approx(wait)
        if wait == 0:
            bucket.take(now, tokens=tokens)


@given(
    rate=st.floats(0.1, 1000),
    burst=st.floats(1, 1000),
    asked=st.lists(st.tuples(st.floats(0, 10), st.floats(1, 2000)), max_size=50),
)
def test_never_more_than_the_rate_allows_and_what_the_last_took_beyond(
    rate: float, burst: float, asked: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(rate=rate, burst=burst, now=0)
    now, taken = 0.0, 0.0
    for pause, tokens in asked:
        now += pause
        if bucket.wait(now, tokens=tokens) == 0:
            assert taken + min(tokens, burst) <= rate * now + burst + 1e-6 * (1 + taken)
            bucket.take(now, tokens=tokens)
            taken += tokens


@given(rate=st.floats(0.1, 1000), burst=st.floats(1, 1000), tokens=st.floats(1, 2000))
def test_after_the_wait_it_is_there(rate: float, burst: float, tokens: float) -> None:
    bucket = TokenBucket(rate=rate, burst=burst, now=0)
    bucket.take(0, tokens=burst)
    assert bucket.wait(bucket.wait(0, tokens=tokens), tokens=tokens) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0.5)])
def test_a_bucket_that_gives_nothing_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="a rate above 0"):
        TokenBucket(rate=rate, burst=burst, now=0)
