"""The local stack from a person's side: it comes up twice in a row, survives deaths, and leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tocsin.dev.processes import end, spawn

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

NAMES = {
    "entry", "kafka", "database", "catcher", "catcher_smtp", "operations",
    "ingest", "router", "ledger", "dispatch-inapp", "dispatch-email-callbacks",
    "dispatch-sms-callbacks", "shop", "api_key", "admin_key", "sample", "processes",
}  # fmt: skip
PROCESSES = {
    "kafka", "postgres", "catcher", "ingest", "router", "ledger", "scheduler",
    "dispatch-email", "dispatch-sms", "dispatch-push", "dispatch-webhook",
    "dispatch-chat", "dispatch-inapp", "dispatch-email-callbacks", "dispatch-sms-callbacks",
}  # fmt: skip


Start = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a stack in a folder; what a failed test leaves running is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start_in(folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tocsin.dev", "run", "--folder", str(folder)]
        started.append(spawn(command, log=folder.parent / "words.log", on_parent_death=signal.SIGTERM))
        return started[-1]

    yield start_in
    for stack in started:
        end(stack, timeout=60)


def until(condition: Callable[[], bool], stack: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        words = (folder.parent / "words.log").read_text()
        assert stack.poll() is None, words
        assert time.monotonic() < deadline, words
        time.sleep(0.1)


def endpoints(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "endpoints.json").read_text())
    return content


def last_words(folder: Path) -> str:
    """What the command has said, and the end of what each process has."""
    logs = [folder.parent / "words.log", *sorted((folder / "logs").glob("*.log"))]
    return "\n".join(f"== {log.name}\n{log.read_text()[-2000:]}" for log in logs)


def family(stack: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(stack.pid).children(recursive=True)


def test_up_a_death_killed_up_again_and_down(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "with space" / ".dev"
    folder.parent.mkdir()
    stack = start(folder)
    until((folder / "endpoints.json").exists, stack, folder)
    first = endpoints(folder)
    assert first.keys() == NAMES
    assert first["processes"].keys() == PROCESSES, last_words(folder)
    assert all(
        psutil.pid_exists(process["pid"]) and Path(process["log"]).exists()
        for process in first["processes"].values()
    )
    assert (folder / "endpoints.json").stat().st_mode & 0o777 == 0o600
    words = (folder.parent / "words.log").read_text()
    assert words.count("event over HTTP  ") == words.count("event over Kafka  ") == 3

    ledger = first["processes"]["ledger"]["pid"]
    os.kill(ledger, signal.SIGKILL)
    until(lambda: endpoints(folder)["processes"]["ledger"]["pid"] != ledger, stack, folder)
    assert "ledger ended (signal 9) and is started again" in (folder.parent / "words.log").read_text()

    killed = family(stack)
    stack.kill()
    stack.wait()
    _, alive = psutil.wait_procs(killed, timeout=60)
    assert not alive

    stack = start(folder)
    until(
        lambda: (folder / "endpoints.json").exists() and endpoints(folder)["entry"] != first["entry"],
        stack,
        folder,
    )
    assert endpoints(folder)["api_key"] == first["api_key"]
    ended = family(stack)
    end(stack, first=signal.SIGINT, timeout=60)
    assert stack.returncode == 0
    _, alive = psutil.wait_procs(ended, timeout=1)
    assert not alive
    assert not (folder / "endpoints.json").exists()
