"""Weights become an order for each delivery."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tocsin.contracts.provider_order import weighted_order

WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000), min_size=1)


def test_each_is_the_first_as_often_as_its_weight_says() -> None:
    orders = [weighted_order({"a": 6, "b": 3, "c": 1}, f"delivery {number}") for number in range(10_000)]
    firsts = Counter(order[0] for order in orders)
    assert [round(firsts[name] / 1000) for name in "abc"] == [6, 3, 1]
    seconds = Counter(order[1] for order in orders if order[0] == "a")
    assert round(seconds["b"] / seconds.total(), 1) == round(3 / 4, 1)


@given(WEIGHTS, st.text())
def test_the_order_is_computed_and_names_everyone(weights: dict[str, int], delivery: str) -> None:
    order = weighted_order(weights, delivery)
    assert sorted(order) == sorted(weights)
    assert weighted_order(dict(reversed(weights.items())), delivery) == order


@given(WEIGHTS, st.text())
def test_the_rest_keeps_its_order_when_one_goes(weights: dict[str, int], delivery: str) -> None:
    order = weighted_order(weights, delivery)
    rest = {name: weights[name] for name in order[1:]}
    assert weighted_order(rest, delivery) == order[1:]
