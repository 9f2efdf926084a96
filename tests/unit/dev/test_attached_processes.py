"""Processes end with their starter, and only those are ended."""

import sys
from pathlib import Path

import pytest

from tocsin.dev.errors import StartFailed
from tocsin.dev.processes import end, free_port, spawn, wait_for_port

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]
IGNORES = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "a log"
    assert spawn([sys.executable, "-c", "print('heard')"], log=log).wait(20) == 0
    assert log.read_text() == "heard\n"


def test_end_returns_when_the_process_is_gone(tmp_path: Path) -> None:
    process = spawn(WAITS, log=tmp_path / "log")
    end(process)
    assert process.returncode is not None
    end(process)


def test_end_insists(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(IGNORES, log=log)
    while "deaf" not in log.read_text():
        assert process.poll() is None
    end(process, timeout=0.05)
    assert process.returncode == -9


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert spawn(["no-such-program"], log=log).wait(20) != 0
    assert "cannot start no-such-program" in log.read_text()


def test_waiting_for_a_process_that_ends_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", "raise SystemExit(3)"], log=log)
    with pytest.raises(StartFailed, match=r"Thing ended while starting \(exit code 3\); see .*log"):
        wait_for_port(free_port(), process=process, name="Thing", log=log, timeout=20)
