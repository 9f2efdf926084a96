"""The last line, behind all counts: a program of a tenant that ends the process ends it once.

Before a program runs, its revision is noted in a few bytes of a file that is mapped into memory: the kernel keeps them however the
process dies, and writing them is no system call. They are cleared when the program has ended. A process that finds the note of one
that died refuses that revision for an hour; a newer revision is not meant. A program that raises what nobody expects leaves its note,
since that ends the process, too.
"""

import fcntl
import mmap
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, TypeVar

import msgspec

from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, OperatorError, SystemClock

log = get_logger(__name__)

REFUSED_FOR: Final = timedelta(hours=1)
ENDED_A_PROCESS: Final = (
    "A process ended while it ran this revision, so it is refused for an hour. Publish a new revision."
)
_NOTE_BYTES: Final = 1024
_FILE_BYTES: Final = 16 * 1024
_LENGTH: Final = 2
_MOST_REFUSED: Final = 30
_MOST_FILES: Final = 1_000
T = TypeVar("T")


class ProgramFault(Exception):
    """A program cannot be run, or its run ended in a way that its author can mend. Such an end is expected and leaves no note."""


class Program(NamedTuple):
    """One revision of something that a tenant wrote."""

    tenant: str
    workflow: str
    part: str
    """Empty for the workflow itself, its schema and expression; else which of its templates."""
    revision: int


class Refusal(NamedTuple):
    """A program that is not run until then."""

    program: Program
    until: datetime


class NotesUnusable(OperatorError):
    """The folder for the notes cannot be used. Set CRASH_NOTES to a folder in which the service may write."""


class CrashNote:
    """The note of this process, and what it refuses because of the one before it.

    Until `open`, and without a folder, it is kept in memory alone, where it outlives nothing. One program runs at a time: notes are
    for the thread of the event loop.
    """

    def __init__(
        self, *, folder: Path | None = None, service: str = "tocsin", clock: Clock | None = None
    ) -> None:
        self._folder = folder
        self._service = service
        self._clock = clock or SystemClock()
        self._refused: dict[Program, datetime] = {}
        self.memory: bytearray | mmap.mmap = bytearray(_FILE_BYTES)

    def open(self) -> None:
        """Take over the file of a process that is gone, or a new one. Raises NotesUnusable."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.memory = self._take_file(self._folder)
        except OSError as error:
            raise NotesUnusable(
                f"cannot write into {self._folder}: {error.strerror}. Set CRASH_NOTES to a folder in which this service may write."
            ) from error
        now = self._clock.now()
        self._refused = {program: until for program, until in self._read(1, list[Refusal], []) if until > now}
        died_in = self._read(0, Program, None)
        if died_in is not None:
            self._refused[died_in] = now + REFUSED_FOR
            log.error(
                "the process before this one ended while it ran what a tenant wrote; this revision is refused for an hour",
                **died_in._asdict(),
            )
        self._write_refused()
        self.memory[:_LENGTH] = bytes(_LENGTH)

    def noted(self, tenant: str, workflow: str, revision: int, *, part: str = "") -> "Noted":
        """The program, to be run as `with note.noted(…):`."""
        return Noted(self, Program(tenant, workflow, part, revision))

    def refuses(self, program: Program) -> bool:
        """Whether the program must not be run now."""
        if not self._refused:
            return False
        until = self._refused.get(program)
        return until is not None and self._clock.now() < until

    @property
    def refused(self) -> list[Refusal]:
        """What was refused when the note was opened, also where its hour is over."""
        return [Refusal(program, until) for program, until in self._refused.items()]

    def close(self) -> None:
        """Let go of the file; the next process may take it."""
        if isinstance(self.memory, mmap.mmap):
            self.memory.close()
            self.memory = bytearray(_FILE_BYTES)

    def _take_file(self, folder: Path) -> mmap.mmap:
        """The first of the service's files that no living process holds."""
        for number in range(_MOST_FILES):
            with (folder / f"{self._service}-{number}.note").open("a+b") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                file.truncate(_FILE_BYTES)
                return mmap.mmap(file.fileno(), _FILE_BYTES)  # keeps the file open, and so locked
        raise BlockingIOError(0, "all its files are in use")

    def _read(self, place: int, kind: type[T], default: T | None) -> T:
        """What stands in the file: the note (0), or what is refused (1). The default where that is nothing, or cannot be read."""
        start = place * _NOTE_BYTES
        length = int.from_bytes(self.memory[start : start + _LENGTH])
        try:
            return msgspec.json.decode(bytes(self.memory[start + _LENGTH :][:length]), type=kind)
        except msgspec.DecodeError:
            return default  # type: ignore[return-value]  # None where the caller says so

    def _write_refused(self) -> None:
        self._refused = dict(sorted(self._refused.items(), key=lambda item: item[1])[-_MOST_REFUSED:])
        content = with_length(msgspec.json.encode(self.refused))
        self.memory[_NOTE_BYTES : _NOTE_BYTES + len(content)] = content
        metrics.refused_revisions.labels(self._service).set(len(self._refused))


class Noted:
    """One program under the note. Making one takes about a microsecond on a busy machine; entering and leaving it, as much again."""

    __slots__ = ("_bytes", "_note", "program")

    def __init__(self, note: CrashNote, program: Program) -> None:
        self.program: Final = program
        self._note = note
        self._bytes = with_length(msgspec.json.encode(program))

    @property
    def refused(self) -> bool:
        """Whether it must not be run now."""
        return self._note.refuses(self.program)

    def __enter__(self) -> None:
        self._note.memory[: len(self._bytes)] = self._bytes

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, ProgramFault):
            self._note.memory[:_LENGTH] = b"\0\0"


def with_length(content: bytes) -> bytes:
    """The content after its length."""
    return len(content).to_bytes(_LENGTH) + content
