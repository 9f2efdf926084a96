"""A server process on this machine that keeps its port over its lives."""

import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from tocsin.dev.errors import StartFailed
from tocsin.dev.processes import end

ATTEMPTS = 3  # a free port may be taken between finding and using it


class LocalServer(ABC):
    """Starts and stops one server. It ends with this process.

    `start()` returns when clients can connect. The port stays the same over `stop()` or `kill()` and another `start()`, so that
    clients find a restarted server.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @abstractmethod
    def prepare(self) -> None:
        """What is needed once, before the first start; does nothing the second time. May run in any thread."""

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the process without waiting. Call it from the main thread, after `prepare()`."""

    @abstractmethod
    def wait_ready(self, *, timeout: float = 60) -> None:
        """Returns when clients can connect; raises StartFailed otherwise. May run in any thread."""

    def stop(self) -> None:
        """Ends it in good order."""
        if self._process is not None:
            end(self._process)

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._process is not None:
            end(self._process, first=signal.SIGKILL)

    @property
    @abstractmethod
    def _addressed(self) -> bool:
        """Whether it has its port."""

    @abstractmethod
    def _forget_address(self) -> None:
        """The next launch takes another port."""

    def start(self, *, timeout: float = 60) -> None:
        """Prepares, launches and waits. Raises MissingTool or StartFailed with one sentence."""
        self.prepare()
        fresh = not self._addressed
        for attempt in range(ATTEMPTS):
            self.launch()
            try:
                self.wait_ready(timeout=timeout)
            except StartFailed:
                self.kill()
                if not fresh or attempt == ATTEMPTS - 1:
                    raise
                self._forget_address()
            else:
                return

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # such as Ctrl-C while it starts
            self.kill()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
