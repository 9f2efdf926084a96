"""Names that producers make up become values of a label only where that is bounded."""

from tocsin.observability import OftenSeen


def test_a_name_is_shown_once_it_has_come_often() -> None:
    seen = OftenSeen(after=3)
    assert [seen.label_of("/shop") for _ in range(4)] == ["other", "other", "/shop", "/shop"]


def test_names_that_come_once_use_nothing_up() -> None:
    seen = OftenSeen(most=2, after=2)
    assert {seen.label_of(f"/made-up/{number}") for number in range(10_000)} == {"other"}
    for name in ("/shop", "/bank", "/late"):
        seen.label_of(name)
    assert [seen.label_of(name) for name in ("/shop", "/bank", "/late")] == ["/shop", "/bank", "other"]


class Clock:
    """Hours, as the names' clock counts seconds."""

    def __init__(self) -> None:
        self.hours = 1_000.0

    def __call__(self) -> float:
        return self.hours * 3_600


def test_a_name_that_has_not_come_for_a_day_gives_its_place_away() -> None:
    clock, gone = Clock(), list[str]()
    seen = OftenSeen(most=2, after=1, forget=gone.append, clock=clock)
    for name in ("/shop", "/bank"):
        seen.label_of(name)
    clock.hours += 23
    assert seen.label_of("/shop") == "/shop"
    assert seen.label_of("/late") == "other"
    clock.hours += 2
    assert seen.label_of("/late") == "/late"
    assert gone == ["/bank"]
    assert [seen.label_of(name) for name in ("/shop", "/bank")] == ["/shop", "other"]


def test_while_there_is_room_nobody_gives_a_place_away() -> None:
    clock, gone = Clock(), list[str]()
    seen = OftenSeen(most=2, after=1, forget=gone.append, clock=clock)
    seen.label_of("/shop")
    clock.hours += 1_000
    assert [seen.label_of(name) for name in ("/bank", "/shop")] == ["/bank", "/shop"]
    assert gone == []


def test_no_address_becomes_a_label() -> None:
    seen = OftenSeen(after=1)
    assert seen.label_of("mailto:ann@example.com") == "other"
    assert seen.label_of("x" * 129) == "other"
