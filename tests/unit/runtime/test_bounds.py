"""Every bound is longer than what has to end within it."""

import pytest

from tocsin.contracts.vocabulary import Lane
from tocsin.runtime import LaneSettings, SettingsInvalid, read_settings
from tocsin.runtime.bounds import (
    CLOSE_PUBLISHER,
    CLOSE_TRANSACTIONS,
    CLOSING,
    COMMIT,
    LEAVE,
    SHUTDOWN,
    TRANSACTION,
    GroupTimeouts,
    timeouts_for,
)


@pytest.mark.parametrize("lane", Lane)
def test_the_bounds_of_a_lane_are_in_order(lane: Lane) -> None:
    bounds = timeouts_for(lane)
    assert bounds.send_timeout < bounds.drain_timeout < bounds.rebalance_timeout < SHUTDOWN
    assert bounds.drain_timeout > COMMIT
    assert bounds.fence_timeout > TRANSACTION
    assert bounds.rebalance_timeout < bounds.progress_timeout
    assert bounds.heartbeat_interval * 3 <= bounds.lease < bounds.session_timeout


def test_closing_is_long_enough_to_leave_a_group_and_then_to_close_the_producers() -> None:
    assert LEAVE + max(CLOSE_TRANSACTIONS, CLOSE_PUBLISHER) <= CLOSING


def test_the_critical_lane_is_tight_and_all_others_are_patient() -> None:
    assert timeouts_for("critical") == GroupTimeouts(send_timeout=8, drain_timeout=9, rebalance_timeout=12)
    patient = GroupTimeouts(send_timeout=30, drain_timeout=33, rebalance_timeout=40)
    assert timeouts_for("bulk") == timeouts_for("transactional") == patient


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"send_timeout": 9}, "shorter than the drain"),
        ({"drain_timeout": 13}, "shorter than the rebalance"),
        ({"session_timeout": 3}, "Three heartbeats"),
        ({"fence_timeout": 10}, "longer than a transaction"),
    ],
)
def test_another_order_is_refused(bounds: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GroupTimeouts(**{"send_timeout": 8, "drain_timeout": 9, "rebalance_timeout": 12} | bounds)


@pytest.mark.parametrize(
    ("lanes", "shutdown", "sentence"),
    [
        ("critical", "12", "longer than the 12 s that lane critical may take"),
        ("critical,bulk", "40", "longer than the 40 s that lane bulk may take"),
        ("critical", "12.5", None),
        ("critical,transactional,bulk", "41", None),
    ],
)
def test_a_shutdown_that_is_too_short_for_the_lanes_is_refused_at_start(
    lanes: str, shutdown: str, sentence: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANES", lanes)
    monkeypatch.setenv("SHUTDOWN_TIMEOUT", shutdown)
    if sentence is None:
        assert read_settings(LaneSettings).shutdown_timeout == float(shutdown)
        return
    with pytest.raises(SettingsInvalid) as invalid:
        read_settings(LaneSettings)
    (fault,) = invalid.value.faults
    assert sentence in fault
    assert fault.startswith("SHUTDOWN_TIMEOUT is ")
    assert fault.endswith("the grace period of Kubernetes or Compose with it.")
