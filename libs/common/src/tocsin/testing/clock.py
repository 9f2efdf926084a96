"""A clock that moves only when told to."""

from datetime import UTC, datetime, timedelta

_START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """`tocsin.runtime.Clock` for tests: stands at `start` until `advance` or `set` moves it."""

    def __init__(self, start: datetime = _START) -> None:
        if start.tzinfo is None:
            raise ValueError("ManualClock needs an aware datetime")
        self._now = start.astimezone(UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The time last set, aware, in UTC."""
        return self._now

    def time_ms(self) -> int:
        """The time last set as whole milliseconds since 1970."""
        return round(self._now.timestamp() * 1000)

    def monotonic(self) -> float:
        """Moves with `advance` only: setting the wall clock does not change durations."""
        return self._monotonic

    def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """Let time pass: both clocks move on by the sum."""
        step = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        if step < timedelta(0):
            raise ValueError("time passes forwards; use set() to move the wall clock back")
        self._now += step
        self._monotonic += step.total_seconds()

    def set(self, now: datetime) -> None:
        """Set the wall clock, as an operator or NTP may; durations do not notice."""
        if now.tzinfo is None:
            raise ValueError("ManualClock needs an aware datetime")
        self._now = now.astimezone(UTC)
