"""The `tocsin` command as a person runs it: a process of its own, on a pipe or on a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.threaded_server import answering

COMMAND = [sys.executable, "-m", "tocsin.cli"]
WITHIN = 120  # seconds


@dataclass(frozen=True)
class Ran:
    """What it said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ran]
Runs = Callable[..., Awaitable[Ran]]


def _environment(env: dict[str, str]) -> dict[str, str]:
    """Without the width that whoever runs the tests may have set: the terminal has its own."""
    left_out = ("TOCSIN_", "KAFKA_", "DATABASE_", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, **env}


@pytest.fixture
def tocsin(tmp_path: Path) -> Run:
    """Runs it with its output in a pipe, far from any local stack; keywords are its environment."""

    def run(*arguments: str, **env: str) -> Ran:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def tocsin_soon(tocsin: Run) -> Runs:
    """The same for tests with an event loop."""

    async def run(*arguments: str, **env: str) -> Ran:
        return await asyncio.to_thread(tocsin, *arguments, **env)

    return run


@pytest.fixture
def tocsin_on_terminal(tmp_path: Path) -> Run:
    """Runs it on a terminal 160 columns wide; what it says on either stream is `out`."""

    def run(*arguments: str, **env: str) -> Ran:
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        child = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=_environment({"TERM": "xterm", **env}),
            stdin=its,
            stdout=its,
            stderr=its,
        )
        os.close(its)
        said = b"".join(_until_hung_up(ours))
        os.close(ours)
        return Ran(child.wait(WITHIN), said.decode(), "")

    return run


def interrupted(entry: "Entry", folder: Path, *arguments: str, after: int) -> Ran:
    """Runs it until the entry was asked so often; then Ctrl-C."""
    child = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=_environment(entry.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - it only tells the child to heed a signal
    )
    try:
        deadline = time.monotonic() + WITHIN
        while len(entry.asked) < after and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=WITHIN)
    finally:
        child.kill()
        child.wait()
    return Ran(child.returncode, out, err)


def _heed_ctrl_c() -> None:
    """Where the tests run in the background, a shell has them ignore it, and what they start, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _until_hung_up(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody holds the other side any more
            return
        if not part:
            return
        yield part


@dataclass
class Entry:
    """A stand-in for the entry: it notes what it is asked, and answers what the test has put there, the last for ever."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    answers: list[tuple[int, str, bytes]] = field(default_factory=list)

    def will_answer(self, status: int, body: Any, *, kind: str = "application/json") -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers.append((status, kind, text.encode()))

    @property
    def env(self) -> dict[str, str]:
        return {"TOCSIN_URL": self.url, "TOCSIN_API_KEY": "tk_live_k_secret"}


@pytest.fixture
def entry() -> Iterator[Entry]:
    stand_in = Entry()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            stand_in.asked.append((self.command, self.path, headers, body))
            status, kind, text = stand_in.answers.pop(0) if len(stand_in.answers) > 1 else stand_in.answers[0]
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with answering(Answers) as stand_in.url:
        yield stand_in
