"""Those of one recipient go one after the other, in the order in which they came; the others side by side."""

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.delivery import Delivery
from tocsin.channel.order import RecipientOrder


def delivery(recipient: bytes) -> Delivery:
    nothing, job = cast("Any", None), cast("Any", SimpleNamespace(retry=None))
    return Delivery(nothing, nothing, job, recipient, taken_at=0.0, turn=recipient)


def test_one_recipient_waits_for_its_own_and_for_no_other():
    order = RecipientOrder()
    ada, next_of_ada, bob = delivery(b"ada"), delivery(b"ada"), delivery(b"bob")
    assert order.add(ada)
    assert not order.add(next_of_ada)
    assert order.add(bob)
    assert order.done(ada) is next_of_ada
    assert order.done(next_of_ada) is None
    assert order.add(delivery(b"ada"))


def test_what_has_no_turn_waits_for_nothing():
    order = RecipientOrder()
    first, second = delivery(b"ada"), delivery(b"ada")
    first.turn = second.turn = None
    assert order.add(first)
    assert order.add(second)
    assert order.done(first) is None
    assert order.add(delivery(b"ada"))


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.booleans())))
def test_each_recipients_deliveries_go_on_in_order_and_never_two_at_once(steps):
    order = RecipientOrder()
    running: dict[bytes, Delivery] = {}
    added: list[Delivery] = []
    begun: list[Delivery] = []

    def begin(new: Delivery) -> None:
        assert new.key not in running
        running[new.key] = new
        begun.append(new)

    def end(key: bytes) -> None:
        behind = order.done(running.pop(key))
        if behind is not None:
            begin(behind)

    for key, end_one in steps:
        added.append(delivery(key))
        if order.add(added[-1]):
            begin(added[-1])
        if end_one and running:
            end(next(iter(running)))
    while running:
        end(next(iter(running)))
    for key in (b"a", b"b", b"c"):
        assert [item for item in begun if item.key == key] == [item for item in added if item.key == key]
