"""Header names that are no UTF-8 are read all the same, compressed or not, and nothing is read twice or left out."""

import struct
from collections.abc import Sequence

import pytest
from aiokafka import codec
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from tocsin.kafka.client.header_names import LenientRecords

CODECS = (None, codec.gzip_encode, codec.snappy_encode, codec.lz4_encode, codec.zstd_encode)
HEAD = 61


def batch_of(names: Sequence[bytes], *, base: int = 0, codec: int = 0) -> bytes:
    """A batch whose records' headers have these names, as a C client would write it: aiokafka writes only text."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1_000_000,
    )  # fmt: skip
    stand_ins = [f"{number}".rjust(len(name), "#").encode() for number, name in enumerate(names)]
    for number, stand_in in enumerate(stand_ins):
        builder.append(number, 1, b"k", b"v%d" % number, [(stand_in.decode(), b"1")])
    built = bytes(builder.build())
    for stand_in, name in zip(stand_ins, names, strict=True):
        built = built.replace(bytes([2 * len(name)]) + stand_in, bytes([2 * len(name)]) + name)
    compress = CODECS[codec]
    raw = bytearray(built[:HEAD] + (built[HEAD:] if compress is None else compress(built[HEAD:])))
    struct.pack_into(">qi", raw, 0, base, len(raw) - 12)
    struct.pack_into(">h", raw, 21, codec)
    struct.pack_into(">I", raw, 17, calc_crc32c(bytes(raw[21:])))
    return bytes(raw)


def read(raw: bytes, *, at: int = 0) -> list[tuple[int, bytes | None, str]]:
    """Offset, value and header name of each record, as a consumer at `at` sees them."""
    tp = TopicPartition("t", 0)
    records = PartitionRecords(tp, LenientRecords(raw), None, at, None, None, True, READ_COMMITTED)
    return [(record.offset, record.value, record.headers[0][0]) for record in records]


@pytest.mark.parametrize("codec", range(len(CODECS)))
def test_every_record_once_and_in_order(codec):
    names = [b"fine", b"ce_\xff\xfe", b"\xc3", "gr\u00fcn".encode()]
    raw = b"".join(batch_of(names, base=base, codec=codec) for base in (0, 4, 8))
    as_read = ["fine", "ce_\ufffd\ufffd", "\ufffd", "gr\u00fcn"]
    assert read(raw) == [(number, b"v%d" % (number % 4), as_read[number % 4]) for number in range(12)]


def test_begins_in_the_middle_of_a_batch():
    raw = batch_of([b"\xff", b"a", b"\xfe", b"b"], base=10)
    assert read(raw, at=12) == [(12, b"v2", "\ufffd"), (13, b"v3", "b")]


def test_half_a_batch_at_the_end_is_left_for_the_next_fetch():
    raw = batch_of([b"\xff"])
    assert read(raw + raw[:30]) == [(0, b"v0", "\ufffd")]
    assert LenientRecords(b"").next_batch() is None
