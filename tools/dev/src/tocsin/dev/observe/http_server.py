"""A server of the observation stack: on one free port, asked over HTTP whether it is ready."""

import subprocess
import time
import urllib.error
import urllib.request
from abc import abstractmethod
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.local_server import LocalServer
from tocsin.dev.processes import free_port, spawn


class HttpServer(LocalServer):
    """`url` is its address once it was launched. Its files lie in `folder`, which is made where it is absent and kept."""

    name: str
    ready = "/-/ready"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._port: int | None = None
        super().__init__(self._folder / f"{self.name}.log")

    @property
    def url(self) -> str:
        """Where it answers; raises StartFailed before the first start."""
        if self._port is None:
            raise StartFailed(f"{self.name} was not started.")
        return f"http://127.0.0.1:{self._port}"

    @abstractmethod
    def _command(self, address: str) -> list[str]:
        """The command line that listens at `address`; what it reads is written first."""

    def _environment(self, port: int) -> dict[str, str] | None:  # noqa: ARG002 -- for those that listen where a variable says
        """What it runs with; None: as this process does."""
        return None

    @property
    def _runs_in(self) -> Path:
        return self._folder

    def launch(self) -> subprocess.Popen[bytes]:
        self._port = self._port or free_port()
        command, environment = self._command(f"127.0.0.1:{self._port}"), self._environment(self._port)
        self._process = spawn(command, log=self.log, env=environment, cwd=self._runs_in)
        return self._process

    def wait_ready(self, *, timeout: float = 60) -> None:
        if self._process is None:
            raise StartFailed(f"{self.name} was not launched.")
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None:
                raise StartFailed(
                    f"{self.name} ended while starting (exit code {self._process.returncode}); see {self.log}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready within {timeout:.0f} s; see {self.log}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{self.ready}", timeout=5) as answer:  # noqa: S310 -- our own loopback address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def _addressed(self) -> bool:
        return self._port is not None

    def _forget_address(self) -> None:
        self._port = None
