"""Numbers, texts and lists as Kafka's flexible versions encode them; the bytes are those of KIP-482 and of protobuf's varints."""

import pytest

from tocsin.kafka.client.wire import (
    Reader,
    compact_string,
    structure,
    uvarint,
)


@pytest.mark.parametrize(
    ("number", "encoded"), [(0, b"\0"), (1, b"\1"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"), (16_384, b"\x80\x80\1")]
)  # fmt: skip
def test_numbers_of_variable_size(number, encoded):
    assert uvarint(number) == encoded
    assert Reader(encoded).uvarint() == number


def test_lengths_count_from_one():
    assert compact_string("") == b"\1"
    assert compact_string("é") == b"\3\xc3\xa9"
    assert structure(compact_string("a"), b"xy") == b"\2axy\0"


def test_an_answer_is_read_from_its_first_byte_to_its_last():
    reader = Reader(b"\0\0\0\5\xff\xff" + compact_string("topic") + b"\0" + b"\3\1\2" + b"\1\2\3abc")
    assert reader.numbers("ih") == (5, -1)
    assert reader.string() == "topic"
    assert reader.string() == ""
    assert [reader.uvarint() for _ in reader.items()] == [1, 2]
    assert reader.tags() == {2: b"abc"}
