"""The life of a service process: it starts, works, and stops when it is told to. On real processes."""

import os
import signal
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runtime.small_process import BOUND, SCRIPT, SmallProcess

WAVE = 3
"""Longer than the process needs to end, so that one which does not wait ends before the next moment."""


def test_garbage_is_collected_also_where_it_was_not_while_modules_were_loaded(small: SmallProcess) -> None:
    assert small.get("/turns")[1]["collects"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_0(small: SmallProcess, number: signal.Signals) -> None:
    small.until("ready to work")
    assert small.ready() == 200
    small.tell(number)
    assert small.exit_code() == 0
    events = [line["event"] for line in small.lines]
    assert events.index("told to stop") < events.index("part closed")
    closed = [line["component"] for line in small.lines if line["event"] == "closed"]
    assert closed == ["part", "other", "operations"]


def test_a_collector_that_does_not_answer_holds_up_no_stop_and_the_last_line_is_the_last() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        process = SmallProcess(
            SMALL_COLOUR="red",
            SMALL_ENDING="traced",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            OTEL_EXPORTER_OTLP_TIMEOUT="3600",
        )
        try:
            process.until("ready to work")
            process.tell(signal.SIGTERM)
            assert process.exit_code() == 0
        finally:
            process.close()
    given_up, ended = process.lines[-2:]
    assert given_up["event"].startswith("the last spans were given up")
    assert (ended["event"], ended["exit_code"]) == ("ended", 0)


def test_it_begins_and_stops_where_a_wave_is_and_works_on_until_then() -> None:
    process = SmallProcess(SMALL_COLOUR="red", WAVE_SECONDS=str(WAVE))
    try:
        opened = process.until("opened", component="part")
        assert wave_of(process.until("ready to work")) > wave_of(opened)
        process.tell(signal.SIGTERM)
        told = process.until("told to stop")
        assert process.exit_code() == 0
        assert wave_of(process.until("closed", component="part")) > wave_of(told)
    finally:
        process.close()


def wave_of(line: dict[str, Any]) -> int:
    """Behind which of the common moments it was logged. A timer counts milliseconds, and rings up to one before its time."""
    return int(datetime.fromisoformat(line["timestamp"]).timestamp() + 0.002) // WAVE


def test_told_to_stop_before_it_works_it_ends_at_once() -> None:
    process = SmallProcess(SMALL_COLOUR="red", SMALL_ENDING="never-opens", WAVE_SECONDS="10")
    try:
        assert process.ready() == 503
        process.tell(signal.SIGTERM)
        assert process.until("told to stop")["works_on"] == 0
        assert process.exit_code() == 0
    finally:
        process.close()


@pytest.mark.parametrize("small", ["never-opens"], indirect=True)
def test_it_answers_while_it_waits_and_can_be_stopped_then(small: SmallProcess) -> None:
    assert small.ready() == 503
    small.tell(signal.SIGTERM)
    assert small.exit_code() == 0
    assert "part closed" in [line["event"] for line in small.lines]


@pytest.mark.parametrize("small", ["hangs"], indirect=True)
def test_a_second_signal_ends_it_at_once(small: SmallProcess) -> None:
    small.until("ready to work")
    small.tell(signal.SIGTERM)
    assert small.until("waiting for")["components"] == ["part"]
    small.tell(signal.SIGTERM)
    assert small.exit_code() == 128 + signal.SIGTERM
    assert "part closed" not in [line["event"] for line in small.lines]


def test_what_does_not_finish_in_time_is_named_and_left() -> None:
    process = SmallProcess(SMALL_COLOUR="red", SMALL_ENDING="hangs", SHUTDOWN_TIMEOUT="0.2")
    try:
        process.until("ready to work")
        process.tell(signal.SIGTERM)
        assert process.exit_code() == 5
        process.until("did not finish in time", component="part")
        process.until("part closed")
    finally:
        process.close()


def test_what_is_misspelt_or_unwise_is_one_warning_each() -> None:
    process = SmallProcess(
        SMALL_COLOUR="red", SMALL_COLOR="s3cret", SHUTDOWN_TIMEOUT="0.2", KAFKA_ANYTHING="1"
    )
    try:
        process.until("ready to work")
        warned = {line["variable"]: line for line in process.lines if "variable" in line}
        assert warned.keys() == {"SMALL_COLOR", "SHUTDOWN_TIMEOUT"}
        assert warned["SMALL_COLOR"]["remedy"] == "did you mean SMALL_COLOUR?"
        assert {line["level"] for line in warned.values()} == {"warning"}
        assert "s3cret" not in str(process.lines)
    finally:
        process.close()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=BOUND,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )


def test_a_missing_setting_is_one_sentence_and_2() -> None:
    ended = run()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "SMALL_COLOUR is not set; set it to: The colour of the small service.\n"


def test_help_lists_the_settings_and_ends_with_0() -> None:
    ended = run("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "A small service." in ended.stdout
    assert "SMALL_COLOUR" in ended.stdout
    assert "SHUTDOWN_TIMEOUT" in ended.stdout


def test_other_arguments_are_refused() -> None:
    ended = run("--port", "1")
    assert ended.returncode == 2
    assert "only --help" in ended.stderr


def test_memory_of_an_idle_service_leaves_room() -> None:
    """What every service pays before it does anything; 200 MB is the bound for one at full rate."""
    process = SmallProcess(SMALL_COLOUR="red")
    try:
        process.until("ready to work")
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        assert resident < 90_000
    finally:
        process.close()
