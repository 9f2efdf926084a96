"""The machine is calibrated in as many processes side by side as when the record was written."""

import argparse
from functools import partial
from pathlib import Path

import msgspec
import pytest

import guard
from calibration import PROCESSES, calibrate
from figures import Figure
from machine import Machine
from report import Report

MACHINE = Machine(
    cores=2,
    cpu="a cpu",
    memory_gb=1,
    system="a system",
    load_before=0,
    versions={"python": "3.11.7"},
    commit="abc",
)
ROUTER = Figure(
    name="router", unit="events/s", value=1, cpu_us={"router": 100.0}, more={"calibration, us": 20}
)
GIVEN = argparse.Namespace(runs=1, json=None, keep=None)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_piece_takes_time_in_one_process_and_in_several(processes: int) -> None:
    assert 0 < calibrate(processes) < float("inf")


@pytest.fixture
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In how many processes the guard has calibrated. Its record lies in a folder of the test."""
    seen: list[int] = []

    def measured(measure: "partial[None]", _: argparse.Namespace) -> Report:
        seen.append(measure.keywords["calibrate_in"])
        return Report(machine=MACHINE, figures=[ROUTER])

    monkeypatch.setattr(guard, "measured", measured)
    monkeypatch.setattr(guard, "RECORD", tmp_path / "guard.json")
    return seen


def test_a_record_that_does_not_say_was_calibrated_in_one(calibrated: list[int]) -> None:
    before = {"commit": "abc", "cpu": "a cpu", "cores": 2, "python": "3.11.7", "costs": {"router": 5.0}}
    guard.RECORD.write_bytes(msgspec.json.encode(before))
    assert guard.compare(GIVEN) == 0
    assert calibrated == [1]


def test_a_new_record_is_calibrated_in_several_and_compared_so(calibrated: list[int]) -> None:
    assert guard.keep(GIVEN) == 0
    assert guard.compare(GIVEN) == 0
    assert calibrated == [PROCESSES, PROCESSES]
