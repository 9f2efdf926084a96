"""Kafka's encoding of requests and answers in flexible versions (KIP-482), as far as we write and read them ourselves."""

import struct
from collections.abc import Iterator
from typing import Any, Final

NO_TAGS: Final = b"\0"
"""An empty list of tagged fields, which ends every structure."""


def uvarint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def compact_string(text: str) -> bytes:
    """UTF-8 after its length, which is counted from one: nothing at all is zero."""
    data = text.encode()
    return uvarint(len(data) + 1) + data


def structure(*fields: bytes) -> bytes:
    """Encoded fields and no tagged ones."""
    return b"".join(fields) + NO_TAGS


class Reader:
    """Reads an answer from its first byte to its last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Numbers of fixed size in a row; `layout` is `struct`'s, big-endian."""
        values = struct.unpack_from(f">{layout}", self._data, self._at)
        self._at += struct.calcsize(f">{layout}")
        return values

    def uvarint(self) -> int:
        """A number of variable size."""
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def string(self) -> str:
        """A text; empty where there is none."""
        return self._bytes(max(self.uvarint() - 1, 0)).decode()

    def items(self) -> Iterator[int]:
        """One turn for each item of an array, in which the item has to be read."""
        return iter(range(self.uvarint() - 1))

    def tags(self) -> dict[int, bytes]:
        """The tagged fields that end a structure."""
        return {self.uvarint(): self._bytes(self.uvarint()) for _ in range(self.uvarint())}

    def _bytes(self, length: int) -> bytes:
        begin, self._at = self._at, self._at + length
        return self._data[begin : self._at]
