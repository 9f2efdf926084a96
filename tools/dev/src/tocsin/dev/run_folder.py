"""The folder of one running stack: who runs it, where everything listens, and what a killed run left behind."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

import psutil

from tocsin.dev.errors import LocalStackError


class RunFolder:
    """`.dev/`: data, logs, addresses. One stack at a time holds it, for as long as its process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.endpoints = path / "endpoints.json"
        self._sample_made = path / "data" / "sample-made"
        self._run = path / "run.json"
        self._lock: IO[str] | None = None

    @property
    def observation(self) -> Self:
        """The folder of what observes this stack."""
        return type(self)(self.path / "observe")

    def take(self) -> None:
        """Makes the folder ours and ends what a killed run left; raises LocalStackError when a stack runs here."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("w")
        except PermissionError as exc:
            raise LocalStackError(
                f"{exc.filename} belongs to another account: delete {self.path} or run as its owner."
            ) from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._lock.close()
            raise LocalStackError("A local stack already runs here: `make down` ends it.") from exc
        self._end_leftovers()
        self.endpoints.unlink(missing_ok=True)
        self.record({})

    def release(self) -> None:
        """Says that nothing runs here any more."""
        self.endpoints.unlink(missing_ok=True)
        self._run.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def sample_is_made(self) -> bool:
        """Whether an earlier start made the sample: from then on it is the user's, and no start makes it again."""
        return self._sample_made.exists()

    def note_sample(self) -> None:
        """Says that the sample was made."""
        self._sample_made.touch()

    def record(self, pids: Mapping[str, int]) -> None:
        """Notes who we are and what we started, so that a later start recognises exactly these."""
        known = [_identity(pid) for pid in pids.values()]
        replace_file(
            self._run,
            {
                "supervisor": _identity(os.getpid()),
                "started": [identity for identity in known if identity],
            },
        )

    def supervisor(self) -> psutil.Process | None:
        """The process that holds this folder now; None when nothing runs."""
        return _alive(self._read().get("supervisor"))

    def _end_leftovers(self) -> None:
        left = [process for identity in self._read().get("started", []) if (process := _alive(identity))]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=10)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._run.read_text())
        except FileNotFoundError:
            return {}
        return content


def replace_file(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON that only its owner may read; a reader sees the former content or the new, never a part."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 -- the mode is set as the file is made
        json.dump(content, file, indent=2)
        file.write("\n")
    scratch.replace(path)


def _identity(pid: int) -> dict[str, float] | None:
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return None


def _alive(identity: dict[str, float] | None) -> psutil.Process | None:
    """The process, if it lives and is the same: process ids are used again, creation times with them are not."""
    if identity is None:
        return None
    try:
        process = psutil.Process(int(identity["pid"]))
        same = abs(process.create_time() - identity["created"]) < 0.1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
