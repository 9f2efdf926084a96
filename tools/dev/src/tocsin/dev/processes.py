"""Starting processes that cannot outlive us, and ending only those."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tocsin.dev.errors import StartFailed

_ATTACHED = Path(__file__).with_name("attached.py")
_handed_out: set[int] = set()


def attached(
    command: Sequence[str], *, on_parent_death: signal.Signals = signal.SIGKILL, user: str = "-"
) -> list[str]:
    """The command line that runs `command` as a direct child which ends when this process does."""
    wrapper = [sys.executable, "-I", "-S", str(_ATTACHED), str(os.getpid()), str(int(on_parent_death)), user]
    return [*wrapper, *command]


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
    user: str = "-",
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own (Ctrl-C reaches only us), output appended to `log`.

    Call it from the main thread: the kernel ties the child to the thread that started it.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            attached(command, on_parent_death=on_parent_death, user=user),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )


def end(
    process: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, timeout: float = 20
) -> None:
    """Ends the process and returns when it is gone: `first`, then after `timeout` seconds SIGKILL."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(first)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A TCP port on loopback that is free now, and that this process has not handed out before.

    It lies below the range from which systems take the near end of outgoing connections, so that none of those can have
    it when the program it is for binds it a second later.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if port in _handed_out:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _handed_out.add(port)
            return port


def wait_for_port(
    port: int, *, process: subprocess.Popen[bytes], name: str, log: Path, timeout: float
) -> None:
    """Returns when `port` accepts; raises StartFailed when the process ends or `timeout` seconds pass."""
    deadline = time.monotonic() + timeout
    while True:
        if process.poll() is not None:
            raise StartFailed(f"{name} ended while starting (exit code {process.returncode}); see {log}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise StartFailed(f"{name} did not answer on port {port} within {timeout:.0f} s; see {log}")
        time.sleep(0.05)
