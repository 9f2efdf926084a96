"""Segments, by the figures of 3GPP TS 23.038 and 23.040."""

import sys

import pytest

from tocsin.dispatch_sms.segments import segments


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the escape is not parted from its character
        ("ä ö ü ß ñ é @ £ Ω \n\r", 1),
        ("[]{}|^~\\\f", 1),
        ("ç" * 70, 1),  # only the capital is in the table
        ("ç" * 71, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("ж" * 66 + "😀" + "ж" * 66, 3),  # no surrogate pair is split
        ("`", 1),
        ("`" * 71, 2),
    ],
)
def test_segments(text: str, count: int) -> None:
    assert segments(text) == count


def test_a_text_that_was_counted_is_not_kept() -> None:
    text = "Your code is 493021"
    before = sys.getrefcount(text)
    segments(text)
    assert sys.getrefcount(text) == before
