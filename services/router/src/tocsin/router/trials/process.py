"""The child process as its parent sees it: started when it is first needed, and anew when it died; killed at a deadline."""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Final

import msgspec

from tocsin.observability import get_logger
from tocsin.router.trial_child.frames import HEAD, LONGEST, Answer, Request, framed

log = get_logger(__name__)

START_SECONDS: Final = 30.0
"""Until the child has imported what it runs."""
DEADLINE_SECONDS: Final = 15.0
"""For one program, by the clock; of a CPU it has less (`trial_child`)."""
_INHERITED: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TZ")
"""Of the environment; nothing secret."""


class TrialEnded(Exception):
    """The program exceeded a limit, raised what nobody expects, or ended the child: not the fault of anybody but who wrote it. The message says what it did."""


class TrialNotStarted(Exception):
    """The child ended before it was ready, or took too long: the machine has no room for it."""


class TrialProcess:
    """One child. Its methods block; threads that run programs at once wait for each other."""

    def __init__(
        self,
        *,
        deadline: float = DEADLINE_SECONDS,
        module: str = "tocsin.router.trial_child.child",
        nice: int = 0,
    ) -> None:
        """`nice`: how far the child stands back for others where processors are short."""
        self._deadline = deadline
        self._module = module
        self._nice = nice
        self._child: subprocess.Popen[bytes] | None = None
        self._one = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's id while it lives."""
        return None if self._child is None or self._child.poll() is not None else self._child.pid

    def run(self, program: str, arguments: dict[str, Any]) -> Any:
        """What the program of `trial_child.programs` yields. Raises TrialEnded or TrialNotStarted; the next run has a new child then."""
        with self._one:
            return self._run(program, arguments)

    def start(self) -> None:
        """Start the child, so that the first program need not wait for it. Raises TrialNotStarted."""
        with self._one:
            self._living()

    def close(self) -> None:
        """End the child; whoever waits for it sees that it ended."""
        child = self._child
        if child is not None:
            child.kill()
        with self._one:
            self._kill()

    def _run(self, program: str, arguments: dict[str, Any]) -> Any:
        child = self._living()
        try:
            answer = _exchange(child, framed(Request(program, arguments)), self._deadline)
        except TimeoutError:
            self._kill()
            raise TrialEnded("takes too long") from None
        except (OSError, EOFError):
            raise TrialEnded(self._cause(child)) from None
        except BaseException:
            self._kill()
            raise
        if answer.out_of_memory:
            self._kill()
            raise TrialEnded("takes too much memory")
        if answer.raised:
            log.warning("trial raised", program=program, kind=answer.raised)
            raise TrialEnded(f"cannot be tried ({answer.raised})")
        return answer.value

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            _close_pipes(child)
            child.wait()

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._kill()
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._child = child = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
            [sys.executable, "-P", "-m", self._module, str(self._nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        try:
            _exchange(child, b"", START_SECONDS)
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            self._kill()
            log.warning("trial process did not start", code=child.returncode)
            raise TrialNotStarted from error
        log.info("trial process started", pid=child.pid)
        return child

    def _cause(self, child: subprocess.Popen[bytes]) -> str:
        self._child = None
        code = child.wait()
        _close_pipes(child)
        log.warning("trial process ended", pid=child.pid, code=code)
        return "takes too much of a CPU" if code == -signal.SIGXCPU else "ends the process that tries it"


def _close_pipes(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _exchange(child: subprocess.Popen[bytes], frame: bytes, seconds: float) -> Answer:
    """Write the frame and read the answer. Raises TimeoutError, and EOFError or OSError when the child is gone."""
    ends = time.monotonic() + seconds
    if child.stdin is None or child.stdout is None:
        raise EOFError
    os.set_blocking(child.stdin.fileno(), False)
    left, got, length = memoryview(frame), bytearray(), HEAD
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        if left:
            ready.register(child.stdin, selectors.EVENT_WRITE)
        while len(got) < length:
            events = ready.select(max(0.0, ends - time.monotonic()))
            if not events:
                raise TimeoutError
            for key, _ in events:
                if key.fileobj is child.stdin:
                    left = left[os.write(key.fd, left) :]
                    if not left:
                        ready.unregister(child.stdin)
                    continue
                got += _read(key.fd)
                if length == HEAD and len(got) >= HEAD:
                    length = HEAD + int.from_bytes(got[:HEAD], "big")
    return msgspec.json.decode(got[HEAD:], type=Answer)


def _read(pipe: int) -> bytes:
    data = os.read(pipe, LONGEST)
    if not data:
        raise EOFError
    return data
