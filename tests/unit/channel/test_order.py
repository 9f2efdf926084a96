"""Those of one recipient go one after the other, in the order in which they came; the others side by side."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.order import RecipientOrder


def test_one_recipient_waits_for_its_own_and_for_no_other():
    order: RecipientOrder[str] = RecipientOrder()
    assert order.add("ada", "ada 1")
    assert not order.add("ada", "ada 2")
    assert order.add("bob", "bob 1")
    assert order.done("ada") == "ada 2"
    assert order.done("ada") is None
    assert order.add("ada", "ada 3")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_each_key_s_items_go_on_in_order_and_never_two_at_once(steps):
    order: RecipientOrder[int] = RecipientOrder()
    running: dict[str, int] = {}
    begun: list[tuple[str, int]] = []

    def begin(key: str, item: int) -> None:
        assert key not in running
        running[key] = item
        begun.append((key, item))

    def end(key: str) -> None:
        del running[key]
        if (behind := order.done(key)) is not None:
            begin(key, behind)

    for number, (key, end_one) in enumerate(steps):
        if order.add(key, number):
            begin(key, number)
        if end_one and running:
            end(next(iter(running)))
    while running:
        end(next(iter(running)))
    for key in "abc":
        items = [item for other, item in begun if other == key]
        assert items == [number for number, (other, _) in enumerate(steps) if other == key]
