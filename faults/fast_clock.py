"""Starts a service whose wall clock is fast: `python fast_clock.py MODULE`, with `CLOCK_ORIGIN` and `CLOCK_SPEED`.

At the origin, in seconds since 1970, it shows the right time, and from there on it runs so many times as fast. Durations are what they are:
sessions, leases, time limits and the pauses of a breaker stay true.
"""

import os
import runpy
import sys
import time
from datetime import UTC, datetime

from tocsin.runtime import SystemClock

ORIGIN, SPEED = "CLOCK_ORIGIN", "CLOCK_SPEED"


def fast(moment: float, *, origin: float, speed: float) -> float:
    """What the clock shows at this moment, both in seconds since 1970."""
    return origin + (moment - origin) * speed


def _run() -> None:
    origin, speed = float(os.environ[ORIGIN]), float(os.environ[SPEED])

    def shown(_: SystemClock) -> float:
        return fast(time.time(), origin=origin, speed=speed)

    SystemClock.now = lambda self: datetime.fromtimestamp(shown(self), UTC)  # type: ignore[method-assign]
    SystemClock.time_ms = lambda self: round(shown(self) * 1_000)  # type: ignore[method-assign]
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run()
