"""ConsumerRecord headers whose names are not UTF-8: any C client can write them, and aiokafka fails on the whole batch.

A group that only ended there would begin again at the same record for ever. Batches are read as before; one that holds such
a name is read once more, with U+FFFD in place of what is no UTF-8.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

# Of every batch: base offset (8 bytes), then the length of what follows (4).
_LENGTH = slice(8, 12)
_OVERHEAD = 12


class LenientRecords:
    """What a fetch brought, in place of aiokafka's `MemoryRecords`."""

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._records = MemoryRecords(raw)
        self.has_next = self._records.has_next
        self.size_in_bytes = self._records.size_in_bytes

    def next_batch(self) -> Any:
        """The next batch; None when there is none."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        end = _OVERHEAD + int.from_bytes(self._raw[_LENGTH])
        raw, self._raw = self._raw[:end], self._raw[end:]
        return _Batch(batch, raw)


class _Batch:
    """aiokafka's batch, but for its records."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """The record of a control batch, which has no headers."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """The records; on a name that cannot be read all of them again, and the fetcher skips those it has had."""
        try:
            yield from self._batch
        except UnicodeDecodeError:
            yield from _LenientBatch(self._raw)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final by word only; it is all there is to build on
    """A batch read in Python, over bytes that decode whatever they are."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _LenientBytes(self._buffer)


class _LenientBytes(bytearray):
    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _LenientBytes(part) if isinstance(key, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:  # noqa: ARG002 - the caller asks for strict
        return super().decode(encoding, "replace")
