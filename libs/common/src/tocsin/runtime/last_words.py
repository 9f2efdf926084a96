"""What outlives a process: why it ended, in one line where Kubernetes reads a container's termination message, and in a note for the next."""

import contextlib
from pathlib import Path
from typing import Final

from tocsin.runtime.exit_note import SECOND_SIGNAL, ExitNote, reason_of

LONGEST: Final = 4096
"""Bytes that Kubernetes keeps."""


class LastWords:
    """Where this process leaves them."""

    def __init__(self, *, termination_log: Path, note: ExitNote) -> None:
        self._termination_log = termination_log
        self._note = note

    def leave(self, code: int, words: str) -> None:
        """It ends with this code. `words` say what failed first; empty: nothing did."""
        self._note.leave(reason_of(code), words)
        if words:
            leave_last_words(self._termination_log, words)

    def leave_at_once(self) -> None:
        """It ends on a second signal."""
        self._note.leave(SECOND_SIGNAL)


def leave_last_words(path: Path, words: str) -> None:
    """Write them into the file, if it is there and takes them: Kubernetes makes one for each container. Raises nothing."""
    kept = words.encode()[:LONGEST].decode(errors="ignore").encode()
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.truncate()
        file.write(kept)
