"""Notifications by workflow: for published keys, and only so many."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.vocabulary import Lane, Outcome
from tocsin.router.worker.workflow_rates import WorkflowRates


def shown(workflow: str) -> float | None:
    labels = {"lane": "bulk", "workflow": workflow, "outcome": "decided"}
    return REGISTRY.get_sample_value("tocsin_workflow_notifications_total", labels)


def count(rates: WorkflowRates, **times: int) -> None:
    rates.count(Lane.BULK, Counter({(key, Outcome.DECIDED): number for key, number in times.items()}))


@pytest.mark.parametrize("order", list(permutations(("login", "news", "welcome"))))
def test_only_so_many_keys_are_shown_the_same_in_whatever_order_they_were_read(order: Sequence[str]) -> None:
    rates = WorkflowRates(most=2)
    for key in order:
        rates.published(key)
    login, news, others = (shown(key) or 0 for key in ("login", "news", "other"))
    count(rates, login=3, news=2, welcome=5, deleted=1)
    assert ((shown("login") or 0) - login, (shown("news") or 0) - news) == (3, 2)
    assert shown("welcome") is None
    assert (shown("other") or 0) - others == 6


def test_a_key_that_comes_before_takes_the_place_of_the_last() -> None:
    rates = WorkflowRates(most=2)
    for key in ("p", "q"):
        rates.published(key)
    count(rates, q=1)
    assert shown("q") is not None
    rates.published("o")
    others = shown("other") or 0
    count(rates, o=1, q=4)
    assert (shown("q"), (shown("other") or 0) - others) == (None, 4)
    rates.unpublished("o")
    count(rates, q=2)
    assert shown("q") == 2, "a series that comes back begins at 0, as after a restart"


def test_a_new_revision_goes_on_counting() -> None:
    rates = WorkflowRates(most=1)
    rates.published("order")
    before = shown("order") or 0
    count(rates, order=1)
    rates.unpublished("order")
    rates.published("order")
    count(rates, order=1)
    assert (shown("order") or 0) - before == 2


def test_the_place_of_a_key_that_is_gone_is_for_another() -> None:
    rates = WorkflowRates(most=1)
    rates.published("summer")
    rates.published("summer")  # of another tenant
    summer, winter = shown("summer") or 0, shown("winter") or 0
    count(rates, summer=1)
    rates.unpublished("summer")
    rates.published("winter")
    assert (shown("summer") or 0) - summer == 1
    rates.unpublished("summer")
    rates.published("winter")
    count(rates, winter=4)
    assert shown("summer") is None
    assert (shown("winter") or 0) - winter == 4


async def test_a_decision_counts_for_its_workflow(worker) -> None:
    def decided() -> float:
        labels = {"lane": "transactional", "workflow": "shipped", "outcome": "decided"}
        return REGISTRY.get_sample_value("tocsin_workflow_notifications_total", labels) or 0.0

    before = decided()
    await worker.route(worker.event())
    assert decided() == before + 1
