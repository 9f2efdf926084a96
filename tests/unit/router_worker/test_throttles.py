"""A workflow's own limit for one recipient: who is kept out, what is said, and who is never counted."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from tests.unit.router_worker.conftest import Worker

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Throttle
from tocsin.contracts.ids import throttle_key
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.vocabulary import Channel


def limited(worker: Worker, workflow: Callable[..., Any], limit: int = 2) -> None:
    worker.publish(workflow(throttle=Throttle(limit=limit, seconds=60)))


async def test_more_than_the_limit_is_skipped_and_says_so(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    limited(worker, workflow)
    written = await worker.route(*(worker.event(id=f"e{number}") for number in range(3)))
    assert [decision.outcome for decision in written.decisions()] == ["decided", "decided", "skipped"]
    assert len(written.jobs(Channel.EMAIL)) == 2
    skipped = written.decisions()[-1]
    assert (skipped.rule, skipped.reason) == ("throttle", "throttle")
    assert [rule.rule for rule in skipped.rules] == [
        "expiry",
        "duplicate",
        "recipient",
        "category",
        "throttle",
    ]
    assert skipped.rules[-1].input == {"limit": 2, "seconds": 60}
    assert [rule.outcome for rule in written.decisions()[0].rules if rule.rule == "throttle"] == ["let in"]


async def test_a_re_run_lets_in_whom_it_has_let_in(worker: Worker, workflow: Callable[..., Any]) -> None:
    limited(worker, workflow, limit=1)
    first, second = worker.event(id="e1"), worker.event(id="e2")
    before = (await worker.route(first, second)).records
    again = (await worker.route(second, first)).records
    assert {record.value for record in before} == {record.value for record in again}


async def test_each_recipient_and_each_workflow_has_a_count_of_its_own(
    worker: Worker, workflow: Callable[..., Any], templates: Callable[..., Any]
) -> None:
    limited(worker, workflow, limit=1)
    worker.publish(
        workflow(key="other", event_types=[], throttle=Throttle(limit=1, seconds=60)), *templates("other")
    )
    await worker.route(worker.request("ann"), worker.request("ann", event_id="e2", workflow="other"))
    intents = await worker.route(worker.request("bob", event_id="e3"))
    assert intents.names() == ["event_accepted"]
    keys = {
        throttle_key(tenant="acme", workflow=workflow_key, recipient=recipient, test=test)
        for workflow_key in ("shipped", "other")
        for recipient in ("ann", "bob")
        for test in (True, False)
    }
    assert len(keys) == 8


async def test_nobody_is_asked_without_a_limit_nor_for_what_is_decided_again(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    (job,) = (await worker.route(worker.event(id="e0"))).jobs(Channel.EMAIL)
    assert worker.throttles.asked == []
    limited(worker, workflow, limit=1)
    await worker.route(worker.event(id="e1"))
    asked = len(worker.throttles.asked)
    ref = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    record = worker.record(
        worker.topics.intents(worker.lane), b"k", encode(replace(job.intent, delivery=ref))
    )
    assert (await worker.route(record)).jobs(Channel.EMAIL)
    assert len(worker.throttles.asked) == asked


async def test_what_is_past_its_expiry_takes_nobodys_place(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    limited(worker, workflow, limit=1)
    late = worker.event(id="e1")
    worker.clock.advance(7 * 86_400)
    assert (await worker.route(late)).names() == ["expired"]
    assert worker.throttles.asked == []
    assert (await worker.route(worker.event(id="e2"))).jobs(Channel.EMAIL)
