"""The two clocks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tocsin.runtime import Clock, SystemClock
from tocsin.testing import ManualClock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_both_agree_on_what_they_tell(clock: Clock) -> None:
    before = clock.monotonic()
    now = clock.now()
    assert now.tzinfo is UTC
    assert abs(clock.time_ms() - now.timestamp() * 1000) < 60_000
    assert clock.monotonic() >= before


def test_the_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    began = clock.monotonic()
    clock.advance(1.5, minutes=1, days=1)
    assert clock.now() == datetime(2026, 3, 2, 12, 1, 1, 500_000, tzinfo=UTC)
    assert clock.time_ms() == 1772452861500
    assert clock.monotonic() - began == 86461.5


def test_setting_the_wall_clock_back_changes_no_duration() -> None:
    clock = ManualClock()
    began = clock.monotonic()
    clock.set(datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2019, 12, 31, 22, tzinfo=UTC)
    assert clock.monotonic() == began


def test_refuses_what_is_no_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="forwards"):
        ManualClock().advance(-1)
