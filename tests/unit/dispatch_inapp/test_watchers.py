"""Who shows a box: a recipient can open many streams, and takes no place from others."""

from tocsin.dispatch_inapp.live_boxes import MOST_STREAMS, Watchers


def test_the_oldest_stream_of_a_recipient_ends_where_there_are_too_many() -> None:
    watchers = Watchers()
    other = watchers.watch("acme", "ben")
    streams = [watchers.watch("acme", "ann") for _ in range(MOST_STREAMS + 2)]
    assert [stream.ended for stream in streams] == [True] * 2 + [False] * MOST_STREAMS
    assert not other.ended
    for stream in streams:
        watchers.leave("acme", "ann", stream)
    assert watchers.count == 1
