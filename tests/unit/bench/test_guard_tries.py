"""The guard measures again what could not be started, says so, and does not do so where a message was lost."""

import argparse
from pathlib import Path

import msgspec
import pytest

import guard
import running
from figures import Figure
from machine import Machine
from report import Report
from running import Steps
from tocsin.dev import StartFailed

MACHINE = Machine(
    cores=2,
    cpu="a cpu",
    memory_gb=1,
    system="a system",
    load_before=0,
    versions={"python": "3.11.7"},
    commit="abc",
)
PORT_TAKEN = "ingest: failed, and nothing after it was measured: StartFailed('ingest does not start')"
GIVEN = argparse.Namespace(runs=1, json=None, keep=None)


def measured(*, cost: float = 100.0) -> Report:
    router = Figure(
        name="router", unit="events/s", value=1, cpu_us={"router": cost}, more={"calibration, us": 20}
    )
    return Report(machine=MACHINE, figures=[router])


def not_started(*others: str) -> Report:
    return Report(machine=MACHINE, faults=[PORT_TAKEN, *others], not_started=[PORT_TAKEN])


@pytest.fixture
def python() -> str:
    """The record's."""
    return "3.11.7"


@pytest.fixture
def tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str):
    """The guard's exit code when its tries end like this, and how many of them there were."""
    record = guard.Record(commit="abc", cpu="a cpu", cores=2, python=python, costs={"router": 5.0})
    (tmp_path / "guard.json").write_bytes(msgspec.json.encode(record))
    monkeypatch.setattr(guard, "RECORD", tmp_path / "guard.json")

    def compared(*ends: Report | None) -> tuple[int, int]:
        left = list(ends)
        monkeypatch.setattr(guard, "measured", lambda *_: left.pop(0))
        return guard.compare(GIVEN), len(ends) - len(left)

    return compared


def test_a_start_that_failed_is_tried_again_and_said(tries, capsys: pytest.CaptureFixture[str]) -> None:
    assert tries(not_started(), measured()) == (0, 2)
    said = capsys.readouterr().out
    assert f"NOT STARTED, try 1 of 3: {PORT_TAKEN}" in said
    assert "WRONG" not in said


def test_what_never_starts_is_no_pass_and_nothing_to_accept(
    tries, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tries(*[not_started()] * 4) == (1, 3)
    said = capsys.readouterr().out
    assert "router: measured in only one of the two" in said
    assert "make bench-guard-record" not in said


def test_a_stage_that_costs_more_is_no_better_for_a_start_that_failed(tries) -> None:
    assert tries(measured(cost=200), not_started(), measured(cost=200)) == (1, 3)


@pytest.mark.parametrize(("python", "code"), [("3.11.7", 1), ("3.11.2", 0)])
def test_with_another_python_more_is_allowed(tries, code: int) -> None:
    assert tries(*[measured(cost=150)] * 3)[0] == code


def test_a_message_that_was_lost_ends_it_at_once(tries, capsys: pytest.CaptureFixture[str]) -> None:
    assert tries(not_started("mails: 1 of 2 lost, such as a"), measured()) == (1, 1)
    assert capsys.readouterr().out == "WRONG: mails: 1 of 2 lost, such as a\n"


def test_where_nothing_can_be_measured_it_ends_at_once(tries) -> None:
    assert tries(None, measured()) == (1, 1)


@pytest.mark.parametrize(
    ("error", "count"), [(StartFailed("a port is taken"), 1), (RuntimeError("a mistake"), 0)]
)
async def test_only_a_process_that_did_not_come_up_counts_as_not_started(
    error: Exception, count: int
) -> None:
    async def fails() -> None:
        raise error

    report = Report(machine=MACHINE)
    await running.attempt(report, Steps(), fails())
    assert len(report.faults) == 1
    assert report.not_started == report.faults[:count]
