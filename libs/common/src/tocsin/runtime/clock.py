"""Time is a collaborator: whoever needs it is given a `Clock`. Tests pass `tocsin.testing.ManualClock`."""

import time
from datetime import UTC, datetime
from typing import Protocol

_RUNS_ON = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's CLOCK_MONOTONIC stops while the machine is suspended; other systems have no second clock, or need none."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def time_ms(self) -> int:
        """The wall clock as whole milliseconds since 1970, as Kafka counts."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back; for durations. They go on while the process or the machine stands
        still: leases and ages rest on it."""
        ...


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def time_ms(self) -> int:
        """The wall clock as whole milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.clock_gettime(_RUNS_ON)
