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


def test_no_address_becomes_a_label() -> None:
    seen = OftenSeen(after=1)
    assert seen.label_of("mailto:ann@example.com") == "other"
    assert seen.label_of("x" * 129) == "other"
