"""How the process before this one ended: a note in a file, which the next process shows as `tocsin_last_exit_info`.

A counter that is raised just before a process ends is seen by no scrape, and Kubernetes gives each container a new termination message. So
the note lies in a folder that outlives the process (an `emptyDir` in the manifests: it outlives the container, not the Pod). It needs no
database, which a dispatcher does not have, and no broker, which may be why the process ended.

At its start a process writes that it has ended without a word. That is what stands there after a SIGKILL, the kernel's for want of memory, or
the end of the machine; any other end writes itself over it.
"""

import contextlib
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tocsin.observability import get_logger, metrics
from tocsin.runtime.errors import ExitCode

log = get_logger(__name__)

KILLED: Final = "killed"
"""It ended without a word."""
SECOND_SIGNAL: Final = "second_signal"
NONE: Final = "none"
"""There was none in this place, or there is no place."""
_MOST_FILES: Final = 1_000
_MOST_CHARACTERS: Final = 1_000
_MOST_BYTES: Final = 8_192
"""With six for each character, as JSON may write it."""


class Ending(msgspec.Struct, frozen=True):
    """How a process ended, and when."""

    reason: str
    at: datetime | None = None
    words: str = ""
    """What failed first, in one line."""


def reason_of(code: int) -> str:
    """The reason that stands for an exit code."""
    return ExitCode(code).name.lower()


class ExitNote:
    """The note of this process. Without a folder, or where the folder cannot be written, there is none. Raises nothing."""

    def __init__(self, folder: Path | None, *, component: str) -> None:
        self._component = component
        self._file: int | None = None
        """Open, and so locked, for as long as the process lives: another process of the service takes another file."""
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                self._file = self._take_file(folder)
        self.former: Final = self._read()
        """How the process before this one ended."""
        self._write(Ending(KILLED))

    def show_former(self) -> None:
        """As a metric, and as a line where it did not end well."""
        former = self.former
        metrics.last_exit.labels(self._component, former.reason).set(1)
        if former.reason not in (NONE, ExitCode.FINISHED.name.lower()):
            at = former.at and former.at.isoformat()
            log.warning("the process before this one did not end well", reason=former.reason, words=former.words, at=at)  # fmt: skip

    def leave(self, reason: str, words: str = "") -> None:
        """Write how this process ends."""
        self._write(Ending(reason, datetime.now(UTC), words[:_MOST_CHARACTERS]))

    def close(self) -> None:
        """Let go of the file, as the end of the process does."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take_file(self, folder: Path) -> int | None:
        """The first of the service's files that no living process holds."""
        for number in range(_MOST_FILES):
            path = folder / f"{self._component}-{number}.exit"
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except PermissionError:  # another user's
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            return file
        return None

    def _read(self) -> Ending:
        if self._file is None:
            return Ending(NONE)
        try:
            return msgspec.json.decode(os.pread(self._file, _MOST_BYTES, 0), type=Ending)
        except (OSError, msgspec.DecodeError):
            return Ending(NONE)

    def _write(self, ending: Ending) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, msgspec.json.encode(ending), 0)
