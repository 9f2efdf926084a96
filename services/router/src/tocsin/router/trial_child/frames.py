"""The frames between the process and its child: four bytes of length, then JSON."""

from typing import Any, BinaryIO, Final

import msgspec

HEAD: Final = 4
LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a frame."""


class Request(msgspec.Struct):
    """What the child is to run: a name of `programs.PROGRAMS`, and its arguments by name."""

    program: str
    arguments: dict[str, Any]


class Answer(msgspec.Struct):
    """What it yielded; or `out_of_memory`; or the type of what it raised and nobody expects."""

    value: Any = None
    out_of_memory: bool = False
    raised: str = ""


def framed(message: Request | Answer) -> bytes:
    """The message as it stands on the pipe."""
    body = msgspec.json.encode(message)
    return len(body).to_bytes(HEAD, "big") + body


def read_frame(pipe: BinaryIO) -> bytes | None:
    """The next frame's JSON; None when the other side is gone."""
    head = pipe.read(HEAD)
    if len(head) < HEAD:
        return None
    return pipe.read(int.from_bytes(head, "big"))
