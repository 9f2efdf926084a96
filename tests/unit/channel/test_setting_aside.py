"""Which messages make room for those of another provider, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.setting_aside import AFTER, AT_ONCE, Queue, to_set_aside


@pytest.mark.parametrize(
    ("waited", "queue", "set_aside"),
    [
        ([], Queue(1, 10), {}),
        # The latest stay, twice as many as there are places.
        ([9, 9], Queue(1, 10), {}),
        ([9, 9, 9, 9], Queue(1, 10), {0: 1.0, 1: 1.1}),
        # Whoever has not waited for a second stays, too.
        ([9, 0.9, 0.5, 0.1], Queue(1, 10), {0: 1.0}),
        # Not before the next probe.
        ([9, 9, 9, 9], Queue(1, 10, works_in=30), {0: 30.0, 1: 30.1}),
        # A busy provider is through with what stays only then.
        ([9] * 6, Queue(2, 0.5), {0: 8.0, 1: 10.0}),
    ],
)
def test_who_makes_room_and_when_it_comes_back(
    waited: list[float], queue: Queue, set_aside: dict[int, float]
) -> None:
    assert dict(to_set_aside(list(enumerate(waited)), queue)) == pytest.approx(set_aside)


@given(
    st.lists(st.floats(0, 100), max_size=700),
    st.integers(1, 100),
    st.floats(0.01, 1000),
    st.floats(0, 3600),
)
def test_nobody_comes_back_sooner_than_the_provider_can_begin_it(
    waited: list[float], places: int, per_second: float, works_in: float
) -> None:
    queue = Queue(places, per_second, works_in)
    made_room = to_set_aside(list(enumerate(waited)), queue)
    assert len(made_room) <= AT_ONCE
    assert all(number < len(waited) - 2 * places and waited[number] >= AFTER for number, _ in made_room)
    dues = [due for _, due in made_room]
    assert dues == sorted(dues)
    assert all(due >= works_in for due in dues)
    if len(dues) > 1:
        assert dues[-1] - dues[0] >= (len(dues) - 1) / per_second * 0.999
