"""What a message needs before it can be handed over, such as files that have to be fetched: as a dispatcher knows it.

It is made before the message takes its recipient's turn and a provider's place, so that what is slow there holds up nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from tocsin.channel.answers import NotSent, Rejected
from tocsin.contracts.attachments import Attachment
from tocsin.contracts.jobs import Job

ATTACHMENTS: Final = "attachments"
"""Stands in a status in place of a provider's name, where no provider was asked because a file could not be fetched."""


class File(msgspec.Struct, frozen=True, gc=False):
    """A file that is here, ready to be put into a mail. Printing it tells nothing of it."""

    about: Attachment
    lines: bytes
    """The file in base64, in lines of 76 characters that end in CRLF."""

    def __repr__(self) -> str:
        return f"File({self.about!r})"

    @property
    def base64(self) -> str:
        """The file in base64, in one line."""
        return self.lines.replace(b"\r\n", b"").decode("ascii")


FilesOf = Callable[[Job], Sequence[File]]
"""The files of a job that was prepared, in the order in which it names them."""


def no_files(_: Job) -> Sequence[File]:
    """What `files_of` is until the pool sets it, and where the dispatcher fetches none."""
    return ()


@runtime_checkable
class CarriesFiles(Protocol):
    """A provider whose messages take files with them."""

    files_of: FilesOf


class Prepared(Protocol):
    """What one message needs is here, and takes memory until it is released."""

    def release(self) -> None:
        """The message needs it no longer. A second time has no effect."""
        ...


class Preparation(Protocol):
    """Gets what messages need."""

    def needed_by(self, job: Job) -> bool:
        """Whether the job's message needs anything."""
        ...

    async def prepare(self, job: Job) -> Prepared | NotSent | Rejected:
        """Wait for room, then get it; or why it cannot be had now, or never."""
        ...

    def files_of(self, job: Job) -> Sequence[File]:
        """The files of a job that was prepared and not released."""
        ...
