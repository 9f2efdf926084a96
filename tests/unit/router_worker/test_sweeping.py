"""Expired rows are deleted until none is left, and /metrics says since when none was."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from tocsin.router.worker import sweeping
from tocsin.router.worker.sweeping import SWEEP_ROWS, Sweeper
from tocsin.testing import ManualClock


class Rows:
    """So many expired ones; while `away` nobody answers."""

    def __init__(self, expired: int) -> None:
        self.expired = expired
        self.away = False

    async def delete(self, *, at_most: int) -> int:
        if self.away:
            raise OSError("away")
        deleted = min(at_most, self.expired)
        self.expired -= deleted
        return deleted


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_PAUSE", 0)


def shown(name: str) -> float:
    return REGISTRY.get_sample_value(f"tocsin_{name}", {"table": "tested"}) or 0.0


async def test_all_that_is_expired_is_deleted_and_counted() -> None:
    clock, rows, before = ManualClock(), Rows(2 * SWEEP_ROWS + 3), shown("expired_rows_deleted_total")
    sweeper = Sweeper("tested", rows.delete, clock=clock)
    clock.advance(90)
    assert shown("sweep_age_seconds") == 90
    await sweeper.sweep(asyncio.Event())
    assert rows.expired == 0
    assert shown("expired_rows_deleted_total") == before + 2 * SWEEP_ROWS + 3
    assert shown("sweep_age_seconds") == 0


async def test_while_the_database_is_away_the_age_grows() -> None:
    clock, rows = ManualClock(), Rows(1)
    sweeper = Sweeper("tested", rows.delete, clock=clock)
    rows.away = True
    clock.advance(60)
    await sweeper.sweep(asyncio.Event())
    assert shown("sweep_age_seconds") == 60
    rows.away = False
    await sweeper.sweep(asyncio.Event())
    assert (rows.expired, shown("sweep_age_seconds")) == (0, 0)


async def test_told_to_stop_it_leaves_the_rest() -> None:
    clock, rows, stop = ManualClock(), Rows(5 * SWEEP_ROWS), asyncio.Event()
    sweeper = Sweeper("tested", rows.delete, clock=clock)
    clock.advance(60)
    stop.set()
    await sweeper.sweep(stop)
    assert (rows.expired, shown("sweep_age_seconds")) == (5 * SWEEP_ROWS, 60)
