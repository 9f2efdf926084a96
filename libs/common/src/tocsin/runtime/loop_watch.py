"""Measures how late the event loop runs its timers; that is what every message waits, and what `/livez` reports."""

import asyncio
from typing import NoReturn

from tocsin.observability import metrics
from tocsin.runtime.health import Health

PERIOD = 0.25
"""Seconds between two looks: four a second cost nothing and see every stall that matters."""


async def watch_loop(*, health: Health, period: float = PERIOD) -> NoReturn:
    """Until cancelled: sleep `period`, and record by how much the loop overslept."""
    loop = asyncio.get_running_loop()
    lag = metrics.loop_lag_seconds.labels(health.service)
    while True:
        due = loop.time() + period
        await asyncio.sleep(period)
        late = max(0.0, loop.time() - due)
        lag.observe(late)
        health.turned(late)
