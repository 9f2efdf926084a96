"""What ends a service process for a reason of its own: exit codes, last words, one line that says why. On real processes."""

import signal
import socket
from pathlib import Path

import pytest
from tests.unit.runtime.small_process import SmallProcess

from tocsin.runtime.last_words import leave_last_words
from tocsin.testing.until import until

SENTENCE = "The topic has no start offsets: run `tocsin topics apply`."
DID_NOT_END_WELL = "the process before this one did not end well"


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
    process = SmallProcess(SMALL_COLOUR="red", SMALL_ENDING=ending, TERMINATION_LOG=str(left))
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
        process = SmallProcess(SMALL_COLOUR="red", SMALL_ENDING=ending, EXIT_NOTES=str(tmp_path))
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
    process = SmallProcess(SMALL_COLOUR="red", TERMINATION_LOG=str(left))
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
def test_a_component_that_fails_ends_the_process_with_1(small: SmallProcess, event: str) -> None:
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
def test_what_watches_the_process_ends_it_with_1_if_it_fails(small: SmallProcess, task: str) -> None:
    small.until("failed", component=task, reason="ValueError: of its own accord")
    assert small.exit_code() == 1


@pytest.mark.parametrize("small", ["raises"], indirect=True)
def test_the_unexpected_is_said_in_a_line_with_its_traceback(small: SmallProcess) -> None:
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
def test_what_a_person_must_do_is_one_sentence_without_a_traceback_and_3(
    small: SmallProcess, event: str
) -> None:
    line = small.until(event)
    assert line["reason"] == SENTENCE
    assert small.exit_code() == 3
    assert not any("exception" in line for line in small.lines)


@pytest.mark.parametrize("small", ["refuses-beside-another-failure"], indirect=True)
def test_what_failed_beside_it_in_the_same_task_group_is_not_lost(small: SmallProcess) -> None:
    assert small.exit_code() == 3
    small.until("failed", component="part", reason=SENTENCE)
    other = small.until("failed", component="part", reason="ValueError: of its own accord")
    assert "Traceback" in other["exception"]


@pytest.mark.parametrize("small", ["halts-at-start", "halts-in-a-group"], indirect=True)
def test_a_service_that_halts_stays_and_says_why_until_it_is_told_to_stop(small: SmallProcess) -> None:
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
async def test_a_service_that_halts_ends_the_work_of_all_and_stays_alive(small: SmallProcess) -> None:
    small.until("halted until it is told to stop")
    small.until("other ended its work")
    before = small.turns()
    await until(lambda: small.turns() > before)


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = SmallProcess(SMALL_COLOUR="red", OPERATIONS_PORT=str(taken.getsockname()[1]))
        try:
            assert "OPERATIONS_PORT" in process.until("could not start")["reason"]
            assert process.exit_code() == 3
        finally:
            process.close()
