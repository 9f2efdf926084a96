"""Notifications by workflow: for published keys, and only so many."""

from collections import Counter

from prometheus_client import REGISTRY

from tocsin.contracts.vocabulary import Lane, Outcome
from tocsin.router.worker.workflow_rates import WorkflowRates


def shown(workflow: str) -> float | None:
    labels = {"lane": "bulk", "workflow": workflow, "outcome": "decided"}
    return REGISTRY.get_sample_value("tocsin_workflow_notifications_total", labels)


def count(rates: WorkflowRates, **times: int) -> None:
    rates.count(Lane.BULK, Counter({(key, Outcome.DECIDED): number for key, number in times.items()}))


def test_only_so_many_keys_are_shown_and_all_others_together() -> None:
    rates = WorkflowRates(most=2)
    for key in ("login", "welcome", "news"):
        rates.published(key)
    login, welcome, others = (shown(key) or 0 for key in ("login", "welcome", "other"))
    count(rates, login=3, welcome=2, news=5, deleted=1)
    assert ((shown("login") or 0) - login, (shown("welcome") or 0) - welcome) == (3, 2)
    assert shown("news") is None
    assert (shown("other") or 0) - others == 6


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
