"""Readiness and liveness."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from tocsin.runtime import Health
from tocsin.runtime.loop_watch import watch_loop
from tocsin.testing import ManualClock


def test_ready_only_when_every_check_is() -> None:
    health = Health(service="health-test")
    assert not health.is_ready
    kafka, directory = health.check("kafka"), health.check("directory")
    assert health.reasons() == {"kafka": "starting", "directory": "starting"}
    kafka.set_ready()
    states = [health.is_ready]
    directory.set_ready()
    states.append(health.is_ready)
    directory.set_not_ready("reading the directory, 12 records left")
    assert health.reasons() == {"kafka": None, "directory": "reading the directory, 12 records left"}
    assert [*states, health.is_ready] == [False, True, False]


def test_a_check_is_the_same_for_all_who_ask_and_is_a_metric() -> None:
    health = Health(service="health-metric-test")
    health.check("kafka").set_ready()
    assert health.check("kafka").is_ready
    assert (
        REGISTRY.get_sample_value("tocsin_ready", {"component": "health-metric-test", "check": "kafka"}) == 1
    )


def test_alive_until_the_loop_has_been_silent_for_too_long() -> None:
    clock = ManualClock()
    health = Health(clock=clock, loop_bound=15)
    assert health.liveness().alive
    health.turned(late=0.25)
    clock.advance(14)
    assert health.liveness().alive
    assert health.liveness().late == 0.25
    clock.advance(1)
    assert not health.liveness().alive
    assert health.liveness().since == 15


async def test_the_loop_is_watched_until_it_is_cancelled() -> None:
    health = Turned()
    with pytest.raises(asyncio.CancelledError):
        await watch_loop(health=health, period=0)
    assert len(health.seen) == 3
    assert all(late >= 0 for late in health.seen)


class Turned(Health):
    """Ends the watch after three turns."""

    def __init__(self) -> None:
        super().__init__(service="loop-test")
        self.seen: list[float] = []

    def turned(self, late: float) -> None:
        self.seen.append(late)
        if len(self.seen) == 3:
            raise asyncio.CancelledError
