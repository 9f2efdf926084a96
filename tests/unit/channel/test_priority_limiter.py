"""A provider's places: bounded, some of them for the critical lane alone, and no lane is passed over for ever."""

import pytest

from tocsin.channel.priority_limiter import FAIR, PriorityLimiter


def taken(limiter: PriorityLimiter, *, critical: int = 0, others: int = 0) -> PriorityLimiter:
    for _ in range(critical):
        limiter.acquire(critical=True, others_wait=False)
    for _ in range(others):
        limiter.acquire(critical=False, others_wait=True)
    return limiter


def turn(limiter: PriorityLimiter, *, critical: bool, others: bool) -> str | None:
    """Whose call begins when these wait, as a provider instance asks."""
    if critical and limiter.critical_may_begin(others_wait=others):
        return "critical"
    return "other" if others and limiter.other_may_begin(critical_waits=critical) else None


@pytest.mark.parametrize(
    ("busy_critical", "busy_others", "critical_waits", "others_wait", "expected"),
    [
        (0, 0, False, False, None),
        (0, 0, True, False, "critical"),
        (0, 0, False, True, "other"),
        (0, 0, True, True, "critical"),  # the critical lane goes first
        (0, 3, False, True, None),  # the others leave one of four places free
        (0, 3, True, True, "critical"),
        (3, 0, False, True, None),
        (2, 0, False, True, "other"),
        (4, 0, True, True, None),
        (1, 3, True, False, None),
    ],
)
def test_whose_turn_it_is(
    busy_critical: int, busy_others: int, critical_waits: bool, others_wait: bool, expected: str | None
):
    limiter = taken(PriorityLimiter(places=4, reserved=1), critical=busy_critical, others=busy_others)
    assert turn(limiter, critical=critical_waits, others=others_wait) == expected


def test_a_released_place_is_free_again():
    limiter = taken(PriorityLimiter(places=1, reserved=0), others=1)
    assert turn(limiter, critical=True, others=True) is None
    limiter.release(critical=False)
    assert turn(limiter, critical=True, others=True) == "critical"


def test_a_long_critical_load_leaves_the_others_one_call_in_eight():
    limiter = PriorityLimiter(places=1, reserved=0)
    turns = []
    for _ in range(3 * FAIR):
        turns.append(turn(limiter, critical=True, others=True))
        critical = turns[-1] == "critical"
        limiter.acquire(critical=critical, others_wait=True)
        limiter.release(critical=critical)
    assert turns == [*["critical"] * (FAIR - 1), "other"] * 3


def test_critical_calls_count_only_while_another_lane_waits():
    limiter = PriorityLimiter(places=100, reserved=0)
    taken(limiter, critical=50)
    assert turn(limiter, critical=True, others=True) == "critical"


def test_calls_of_others_that_take_long_leave_the_critical_lane_its_places():
    limiter = taken(PriorityLimiter(places=8, reserved=2), others=6)
    for _ in range(5 * FAIR):
        assert turn(limiter, critical=True, others=True) == "critical"
        limiter.acquire(critical=True, others_wait=True)
        limiter.release(critical=True)
    limiter.release(critical=False)
    assert turn(limiter, critical=True, others=True) == "other"


def test_with_fewer_places_than_calls_nothing_begins_until_enough_have_ended():
    limiter = taken(PriorityLimiter(places=8, reserved=2), critical=2, others=6)
    limiter.resize(places=4, reserved=1)
    for _ in range(4):
        assert turn(limiter, critical=True, others=False) is None
        limiter.release(critical=False)
    assert turn(limiter, critical=True, others=False) is None
    limiter.release(critical=True)
    assert turn(limiter, critical=True, others=True) == "critical"


def test_as_many_reserved_places_as_places_make_no_sense():
    with pytest.raises(ValueError, match="must be fewer"):
        PriorityLimiter(places=2, reserved=2)
