"""Those of one recipient go one after the other, in the order in which they came; the others side by side."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.order import RecipientOrder


def test_one_recipient_waits_for_its_own_and_for_no_other():
    order: RecipientOrder[str] = RecipientOrder()
    order.add("ada", "ada 1")
    order.add("ada", "ada 2")
    order.add("bob", "bob 1")
    assert [order.next(), order.next(), order.next()] == ["ada 1", "bob 1", None]
    order.done("ada")
    assert order.next() == "ada 2"


def test_what_was_dropped_does_not_come_out_when_the_running_one_ends():
    order: RecipientOrder[str] = RecipientOrder()
    order.add("ada", "ada 1")
    order.add("ada", "ada 2")
    assert order.next() == "ada 1"
    order.drop()
    order.done("ada")
    assert order.next() is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_each_key_s_items_come_out_in_order_and_never_two_at_once(steps):
    order: RecipientOrder[tuple[str, int]] = RecipientOrder()
    running: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, (key, end_one) in enumerate(steps):
        order.add(key, (key, number))
        while (item := order.next()) is not None:
            assert item[0] not in running
            assert item[1] > last.get(item[0], -1)
            running[item[0]] = last[item[0]] = item[1]
        if end_one and running:
            ended = next(iter(running))
            del running[ended]
            order.done(ended)
