"""The life of a service process: its exit codes and what it says, on real processes."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.runtime.last_words import leave_last_words
from tocsin.testing.until import until

SCRIPT = Path(__file__).with_name("small_service.py")
SENTENCE = "The topic has no start offsets: run `tocsin topics apply`."
WAVE = 3
"""Longer than the process needs to end, so that one which does not wait ends before the next moment."""
DID_NOT_END_WELL = "the process before this one did not end well"
BOUND = 60.0
"""Seconds after which a process that does not get there counts as stuck; a loaded machine needs a few."""


class Process:
    """The small service, its log lines read as they come."""

    def __init__(self, **environment: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self._child = subprocess.Popen(
            [sys.executable, SCRIPT],
            stderr=subprocess.PIPE,
            bufsize=0,  # a line in a buffer of ours would not be seen by select
            env={
                "PATH": os.environ["PATH"],
                "OPERATIONS_HOST": "127.0.0.1",
                "OPERATIONS_PORT": "0",
                **environment,
            },
        )
        assert self._child.stderr is not None
        self._stderr = self._child.stderr

    def until(self, event: str, **fields: Any) -> dict[str, Any]:
        """The first line, from the start on, with this event and these fields; waits for it."""
        seen = 0
        while True:
            for line in self.lines[seen:]:
                seen += 1
                if line["event"] == event and fields.items() <= line.items():
                    return line
            assert self._read(), f"no line {event!r} {fields} in {self.lines}"

    def tell(self, number: int) -> None:
        self._child.send_signal(number)

    def exit_code(self) -> int:
        while self._read():
            pass
        return self._child.wait(BOUND)

    def ready(self) -> int:
        """The HTTP status its app answers with: 200 when ready, else 503."""
        return self.get("/")[0]

    def turns(self) -> int:
        """How often the watch over the event loop has turned, which is what liveness is asked."""
        return int(self.get("/turns")[1]["turns"])

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status of this path, and its body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.until("listening")["port"], timeout=BOUND)
        connection.request("GET", path)
        answer = connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        connection.close()
        return answer.status, body

    def close(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._stderr.close()

    def _read(self) -> bool:
        readable, _, _ = select.select([self._stderr], [], [], BOUND)
        line = self._stderr.readline() if readable else b""
        if line:
            self.lines.append(json.loads(line))
        return bool(line)


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[Process]:
    """A running small service; the parameter is how its component misbehaves."""
    environment = {
        "SMALL_COLOUR": "red",
        "SMALL_ENDING": getattr(request, "param", ""),
        "SHUTDOWN_TIMEOUT": "30",
    }
    process = Process(**environment)
    yield process
    process.close()


def test_garbage_is_collected_also_where_it_was_not_while_modules_were_loaded(small: Process) -> None:
    assert small.get("/turns")[1]["collects"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_0(small: Process, number: signal.Signals) -> None:
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
        process = Process(
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
    process = Process(SMALL_COLOUR="red", WAVE_SECONDS=str(WAVE))
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
    process = Process(SMALL_COLOUR="red", SMALL_ENDING="never-opens", WAVE_SECONDS="10")
    try:
        assert process.ready() == 503
        process.tell(signal.SIGTERM)
        assert process.until("told to stop")["works_on"] == 0
        assert process.exit_code() == 0
    finally:
        process.close()


@pytest.mark.parametrize("small", ["never-opens"], indirect=True)
def test_it_answers_while_it_waits_and_can_be_stopped_then(small: Process) -> None:
    assert small.ready() == 503
    small.tell(signal.SIGTERM)
    assert small.exit_code() == 0
    assert "part closed" in [line["event"] for line in small.lines]


@pytest.mark.parametrize("small", ["hangs"], indirect=True)
def test_a_second_signal_ends_it_at_once(small: Process) -> None:
    small.until("ready to work")
    small.tell(signal.SIGTERM)
    assert small.until("waiting for")["components"] == ["part"]
    small.tell(signal.SIGTERM)
    assert small.exit_code() == 128 + signal.SIGTERM
    assert "part closed" not in [line["event"] for line in small.lines]


def test_what_does_not_finish_in_time_is_named_and_left() -> None:
    process = Process(SMALL_COLOUR="red", SMALL_ENDING="hangs", SHUTDOWN_TIMEOUT="0.2")
    try:
        process.until("ready to work")
        process.tell(signal.SIGTERM)
        assert process.exit_code() == 5
        process.until("did not finish in time", component="part")
        process.until("part closed")
    finally:
        process.close()


def test_what_is_misspelt_or_unwise_is_one_warning_each() -> None:
    process = Process(SMALL_COLOUR="red", SMALL_COLOR="s3cret", SHUTDOWN_TIMEOUT="0.2", KAFKA_ANYTHING="1")
    try:
        process.until("ready to work")
        warned = {line["variable"]: line for line in process.lines if "variable" in line}
        assert warned.keys() == {"SMALL_COLOR", "SHUTDOWN_TIMEOUT"}
        assert warned["SMALL_COLOR"]["remedy"] == "did you mean SMALL_COLOUR?"
        assert {line["level"] for line in warned.values()} == {"warning"}
        assert "s3cret" not in str(process.lines)
    finally:
        process.close()


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        ("raises", 1, "part failed: ValueError: of its own accord"),
        ("loses-its-work", 4, "part failed: "),
        ("loses-its-work-and-fails", 1, "part failed: "),
        ("refuses", 3, f"part could not open: {SENTENCE}"),
        ("cannot-be-built", 3, f"small could not start: {SENTENCE}"),
    ],
)
def test_a_failure_leaves_its_exit_code_and_one_line(
    tmp_path: Path, ending: str, code: int, words: str
) -> None:
    left = tmp_path / "termination-log"
    left.write_text(
        "what an earlier process had left here, and much longer than what this one says of itself" * 2
    )
    process = Process(SMALL_COLOUR="red", SMALL_ENDING=ending, TERMINATION_LOG=str(left))
    try:
        assert process.exit_code() == code
    finally:
        process.close()
    assert left.read_text().startswith(words)
    assert len(left.read_text()) < 150
    assert "\n" not in left.read_text()


def test_the_next_process_knows_how_this_one_ended(tmp_path: Path) -> None:
    told = ""
    for ending, signals, reason in [
        ("", [signal.SIGKILL], "killed"),
        ("hangs", [signal.SIGTERM, signal.SIGTERM], "second_signal"),
        ("raises", [], "failed"),
        ("", [signal.SIGTERM], ""),
        ("", [signal.SIGTERM], ""),
    ]:
        process = Process(SMALL_COLOUR="red", SMALL_ENDING=ending, EXIT_NOTES=str(tmp_path))
        try:
            process.until("ready to work")
            for number in signals:
                process.tell(number)
                if ending == "hangs":
                    process.until("waiting for")
            process.exit_code()
        finally:
            process.close()
        said = [line["reason"] for line in process.lines if line["event"] == DID_NOT_END_WELL]
        assert said == ([told] if told else [])
        told = reason


def test_who_was_told_to_stop_leaves_no_words(tmp_path: Path) -> None:
    left = tmp_path / "termination-log"
    left.touch()
    process = Process(SMALL_COLOUR="red", TERMINATION_LOG=str(left))
    try:
        process.until("ready to work")
        process.tell(signal.SIGTERM)
        assert process.exit_code() == 0
    finally:
        process.close()
    assert left.read_text() == ""


def test_last_words_need_a_file_and_no_more_than_kubernetes_keeps(tmp_path: Path) -> None:
    leave_last_words(tmp_path / "missing", "words")
    leave_last_words(tmp_path, "words")
    assert list(tmp_path.iterdir()) == []
    left = tmp_path / "left"
    left.touch()
    leave_last_words(left, "ä" * 4_000)
    assert left.read_text() == "ä" * 2_048


@pytest.mark.parametrize(
    ("small", "event"),
    [
        ("raises", "failed"),
        ("returns", "ended early"),
        ("close-fails", "failed while closing"),
    ],
    indirect=["small"],
)
def test_a_component_that_fails_ends_the_process_with_1(small: Process, event: str) -> None:
    if event == "failed while closing":
        small.until("ready to work")
        small.tell(signal.SIGTERM)
    assert small.exit_code() == 1
    assert small.until(event, component="part")["level"] == "error"
    assert "part closed" in [line["event"] for line in small.lines]


@pytest.mark.parametrize(
    ("small", "task"),
    [("readiness lines fails", "readiness lines"), ("loop watch fails", "loop watch")],
    indirect=["small"],
)
def test_what_watches_the_process_ends_it_with_1_if_it_fails(small: Process, task: str) -> None:
    small.until("failed", component=task, reason="ValueError: of its own accord")
    assert small.exit_code() == 1


@pytest.mark.parametrize("small", ["raises"], indirect=True)
def test_the_unexpected_is_said_in_a_line_with_its_traceback(small: Process) -> None:
    line = small.until("failed", component="part")
    assert line["reason"] == "ValueError: of its own accord"
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize(
    ("small", "event"),
    [
        ("cannot-be-built", "could not start"),
        ("refuses", "could not open"),
        ("refuses-in-a-group", "failed"),
    ],
    indirect=["small"],
)
def test_what_a_person_must_do_is_one_sentence_without_a_traceback_and_3(small: Process, event: str) -> None:
    line = small.until(event)
    assert line["reason"] == SENTENCE
    assert small.exit_code() == 3
    assert not any("exception" in line for line in small.lines)


@pytest.mark.parametrize("small", ["refuses-beside-another-failure"], indirect=True)
def test_what_failed_beside_it_in_the_same_task_group_is_not_lost(small: Process) -> None:
    assert small.exit_code() == 3
    small.until("failed", component="part", reason=SENTENCE)
    other = small.until("failed", component="part", reason="ValueError: of its own accord")
    assert "Traceback" in other["exception"]


@pytest.mark.parametrize("small", ["halts-at-start", "halts-in-a-group"], indirect=True)
def test_a_service_that_halts_stays_and_says_why_until_it_is_told_to_stop(small: Process) -> None:
    assert small.until("halted until it is told to stop")["reason"] == SENTENCE
    status, reasons = small.get("/readyz")
    assert (status, reasons["service"]) == (503, SENTENCE)
    small.tell(signal.SIGTERM)
    assert small.exit_code() == 3
    assert not any("exception" in line for line in small.lines)
    assert [line["component"] for line in small.lines if line["event"] == "closed"] == [
        "part",
        "other",
        "operations",
    ]


@pytest.mark.parametrize("small", ["halts-in-a-group"], indirect=True)
async def test_a_service_that_halts_ends_the_work_of_all_and_stays_alive(small: Process) -> None:
    small.until("halted until it is told to stop")
    small.until("other ended its work")
    before = small.turns()
    await until(lambda: small.turns() > before)


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = Process(SMALL_COLOUR="red", OPERATIONS_PORT=str(taken.getsockname()[1]))
        try:
            assert "OPERATIONS_PORT" in process.until("could not start")["reason"]
            assert process.exit_code() == 3
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
    process = Process(SMALL_COLOUR="red")
    try:
        process.until("ready to work")
        status = Path(f"/proc/{process._child.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        assert resident < 90_000
    finally:
        process.close()
