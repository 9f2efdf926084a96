"""What happens to a process's checks is in its log: once when it lasts, and once when it is over."""

from typing import Any

import pytest

from tocsin.runtime import Health
from tocsin.runtime.readiness_lines import PATIENCE, ReadinessLines
from tocsin.testing import ManualClock


def events(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [(record.msg, record.tocsin_facts) for record in caplog.records]  # type: ignore[attr-defined]


def test_a_change_that_lasts_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    health, clock = Health(service="test"), ManualClock()
    check, lines = health.check("database"), ReadinessLines(health, clock=clock)
    check.set_ready()
    lines.look()
    check.set_not_ready("PostgreSQL does not answer")
    for _ in range(30):
        lines.look()
        clock.advance(1)
    check.set_ready()
    lines.look()
    lines.look()
    assert events(caplog) == [
        ("not ready", {"check": "database", "reason": "PostgreSQL does not answer"}),
        ("ready again", {"check": "database", "seconds": 30}),
    ]


def test_a_rebalance_is_no_change(caplog: pytest.LogCaptureFixture) -> None:
    health, clock = Health(service="test"), ManualClock()
    check, lines = health.check("kafka group router.critical"), ReadinessLines(health, clock=clock)
    for _ in range(10):
        check.set_not_ready("rebalancing")
        lines.look()
        clock.advance(PATIENCE - 1)
        check.set_ready()
        lines.look()
    assert events(caplog) == []
