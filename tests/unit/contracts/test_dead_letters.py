"""A dead letter fits its topic, whatever the record was; what is dropped leaves its length and digest."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.contracts.dead_letters import DeadLetter, TruncatedRecord, read_dead_letter, truncate_to_fit
from tocsin.contracts.topics import MIB
from tocsin.kafka import Outgoing

LARGEST = 8 * 1024
Headers = tuple[tuple[str, bytes], ...]


def letter(detail: str = "The field is missing.") -> DeadLetter:
    return DeadLetter(
        service="router",
        reason="record_unreadable",
        detail=detail,
        origin="tocsin.events.transactional/3/17",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        tenant="acme",
    )


def size(record: TruncatedRecord) -> int:
    return Outgoing("dead", *record).size


sizes = st.one_of(st.integers(0, 300), st.integers(5_000, 9_000))
parts = st.one_of(st.none(), sizes.map(bytes))
headers_of = st.one_of(
    st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=6).map(tuple),
    st.integers(0, 1_200).map(lambda count: (("", b""),) * count),
    sizes.map(lambda length: (("ce_id", bytes(length)),)),
    sizes.map(lambda length: (("é" * (length // 2), b""),)),
)


@given(key=parts, value=parts, headers=headers_of, detail=st.text(max_size=2_000))
def test_every_dead_letter_fits_and_keeps_what_it_can(
    key: bytes | None, value: bytes | None, headers: Headers, detail: str
) -> None:
    record = truncate_to_fit(letter(detail), key=key, value=value, headers=headers, largest=LARGEST)
    assert size(record) <= LARGEST
    read, _ = read_dead_letter(record.headers[-30:])
    assert (record.key, read.original_key_bytes) in ((key, 0), (None, len(key or b"")))
    assert (record.value, read.original_bytes) in ((value, 0), (None, len(value or b"")))
    assert record.headers[: len(headers)] == headers or read.original_headers == len(headers)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"key", b"value", (("", b""),) * 500_000),
        (b"key", b"value", (("x", bytes(5 * MIB)),)),
        (bytes(5 * MIB), b"value", (("ce_id", b"e1"),)),
        (bytes(3 * MIB), bytes(3 * MIB), (("ce_id", bytes(3 * MIB)),)),
    ],
    ids=["empty headers", "one header", "key", "all of it"],
)
def test_what_a_compressed_batch_can_hold_fits(key: bytes, value: bytes, headers: Headers) -> None:
    assert size(truncate_to_fit(letter(), key=key, value=value, headers=headers, largest=4 * MIB)) <= 4 * MIB


def test_the_largest_part_goes_and_leaves_its_digest() -> None:
    key = bytes(2 * LARGEST)
    record = truncate_to_fit(letter(), key=key, value=b"{}", headers=(("ce_id", b"e1"),), largest=LARGEST)
    read, _ = read_dead_letter(record.headers)
    assert (record.key, record.value, record.headers[0]) == (None, b"{}", ("ce_id", b"e1"))
    assert (read.original_key_bytes, read.original_key_sha256) == (len(key), sha256(key).hexdigest())


def test_headers_that_go_leave_count_bytes_and_digest() -> None:
    headers = (("ab", b"1"), ("c", bytes(LARGEST)))
    read, _ = read_dead_letter(
        truncate_to_fit(letter(), key=None, value=None, headers=headers, largest=LARGEST).headers
    )
    told = b"\0\0\0\2ab\0\0\0\x011\0\0\0\1c" + LARGEST.to_bytes(4, "big") + bytes(LARGEST)
    assert (read.original_headers, read.original_headers_bytes) == (2, 4 + LARGEST)
    assert read.original_headers_sha256 == sha256(told).hexdigest()
