"""The frames of an HTTP/2 connection (RFC 9113, section 4.1), cut apart before `h2` sees them: GOAWAY is read here.

`h2` takes a connection for closed once it has read GOAWAY, and refuses the answers that still come
(https://github.com/python-hyper/h2/issues/1181). A server that says farewell finishes what it has begun, so those answers count. Once
`h2` reads on by itself, this file can go.
"""

from dataclasses import dataclass

import msgspec

_HEAD = 9
_GOAWAY = 0x7
_LONGEST_WORD = 40
_LONGEST = 16_384
"""Bytes of a frame's content: we allow no more (SETTINGS_MAX_FRAME_SIZE)."""


def is_word(reason: str) -> bool:
    """Whether it looks like a code of APNs, such as `Shutdown`: no other text of a server's goes any further."""
    return reason.isascii() and reason.isalpha() and len(reason) <= _LONGEST_WORD


class NotHttp2(Exception):
    """What came is no frame of HTTP/2. The connection cannot be used any more."""


class _Told(msgspec.Struct):
    reason: str = ""


_read = msgspec.json.Decoder(_Told).decode


@dataclass(frozen=True, slots=True)
class Goaway:
    """The server takes no new stream, and has not begun those above `last_stream`. `reason` is its own word, if it gives one."""

    last_stream: int
    reason: str | None


class FrameCutter:
    """Of what a server sends, in any portions."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | Goaway]:
        """What has come whole, in order: frames as they are, each GOAWAY by itself. Raises NotHttp2."""
        data = self._rest + data if self._rest else data
        pieces: list[bytes | Goaway] = []
        begin = end = 0
        while len(data) - end >= _HEAD:
            at, length = end, int.from_bytes(data[end : end + 3], "big")
            if length > _LONGEST:
                raise NotHttp2
            if len(data) - at < _HEAD + length:
                break
            end = at + _HEAD + length
            if data[at + 3] == _GOAWAY:
                if at > begin:
                    pieces.append(data[begin:at])
                pieces.append(_goaway(data[at + _HEAD : end]))
                begin = end
        if end > begin:
            pieces.append(data[begin:end])
        self._rest = data[end:]
        return pieces


def _goaway(content: bytes) -> Goaway:
    """Its highest bit is reserved; after four bytes of an error code may follow what APNs documents as JSON with a `reason`."""
    if len(content) < 8:
        raise NotHttp2
    try:
        reason = _read(content[8:]).reason
    except msgspec.DecodeError:
        reason = ""
    last_stream = int.from_bytes(content[:4], "big") & 0x7FFF_FFFF
    return Goaway(last_stream, reason if is_word(reason) else None)
