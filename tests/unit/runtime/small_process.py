"""The small service as a process of its own, its log lines read as they come."""

import http.client
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("small_service.py")
BOUND = 60.0
"""Seconds after which a process that does not get there counts as stuck; a loaded machine needs a few."""


class SmallProcess:
    """One that runs; `close()` last."""

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

    @property
    def pid(self) -> int:
        return self._child.pid

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
