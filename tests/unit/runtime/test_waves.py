"""When services begin and stop: at once, or all in the same moments."""

import pytest

from tocsin.runtime.waves import seconds_to_wave


@pytest.mark.parametrize(
    ("every", "now", "seconds"),
    [(0, 1_700_000_001.5, 0), (4, 1_700_000_001.5, 2.5), (4, 1_700_000_003.75, 0.25), (4, 1_700_000_000, 4)],
)
def test_the_next_moment_is_the_same_for_all(every: float, now: float, seconds: float) -> None:
    assert seconds_to_wave(every, now=now) == seconds
