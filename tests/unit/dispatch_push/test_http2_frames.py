"""Frames are cut apart wherever a read ends, and GOAWAY is told apart."""

from itertools import pairwise

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, PingFrame
from hypothesis import given
from hypothesis import strategies as st

from tocsin.dispatch_push.http2_frames import FrameCutter, Goaway, NotHttp2

PING = PingFrame(0, opaque_data=b"8 octets").serialize()
DATA = DataFrame(1, data=b"x" * 300).serialize()
FAREWELL = GoAwayFrame(
    0, last_stream_id=7, error_code=0, additional_data=b'{"reason":"Shutdown"}'
).serialize()


@given(
    st.lists(st.sampled_from([PING, DATA, FAREWELL]), max_size=6), st.lists(st.integers(0, 2000), max_size=8)
)
def test_every_way_of_cutting_gives_the_same(frames: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(frames)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    cutter = FrameCutter()
    pieces = [piece for begin, end in pairwise(places) for piece in cutter.feed(sent[begin:end])]
    assert [piece for piece in pieces if isinstance(piece, Goaway)] == [Goaway(7, "Shutdown")] * frames.count(
        FAREWELL
    )
    rest = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert rest == b"".join(frame for frame in frames if frame != FAREWELL)


def test_what_came_before_a_farewell_is_handed_out_before_it() -> None:
    assert FrameCutter().feed(PING + FAREWELL + DATA + FAREWELL) == [
        PING,
        Goaway(7, "Shutdown"),
        DATA,
        Goaway(7, "Shutdown"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b'{"reason": 1}', None),
        (b'{"reason": "marked-address@example.org"}', None),
        (b'{"reason": "BadCertificate", "timestamp": 1}', "BadCertificate"),
    ],
)
def test_only_a_word_is_a_reason(content: bytes, reason: str | None) -> None:
    frame = GoAwayFrame(0, last_stream_id=2**31 - 1, error_code=2, additional_data=content).serialize()
    assert FrameCutter().feed(frame) == [Goaway(2**31 - 1, reason)]


@pytest.mark.parametrize(
    "data", [b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 400 x\r\n", b"\x00\x00\x04\x07\x00" + b"\0" * 8]
)
def test_what_is_not_http2_is_told(data: bytes) -> None:
    with pytest.raises(NotHttp2):
        FrameCutter().feed(data)
