"""Planned for in thirty days and cancelled today: router and scheduler on a real broker and a real database, with a clock that is moved."""

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.router_worker.test_cancellations_are_kept import cancels, event

from tocsin.contracts.ids import notification_id
from tocsin.contracts.vocabulary import Channel

from .conftest import MovedClock, Site

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DAYS = 30


async def test_it_is_never_sent(site: Site, scheduler: MovedClock, until: Any) -> None:
    planned = {
        event: notification_id(
            tenant="acme", source="/shop", event_id=event, recipient=person, workflow="shipped"
        )
        for event, person in (("e1", "p0"), ("e2", "p1"), ("e3", "p2"))
    }
    today = await site.worker()
    await site.publish(
        *(
            site.event(event_id, person=f"p{number}", cancel_key=f"order-{number}", delay=DAYS * 86_400)
            for number, event_id in enumerate(planned)
        )
    )

    async def outcomes(wanted: int) -> bool:
        return len(await site.decisions()) == wanted

    await until(lambda: outcomes(3))
    await site.publish(event(site, "c1", notification_id=planned["e1"]), event(site, "c2", key="order-1"))

    async def cancelled() -> bool:
        return len(await cancels(site)) == 2

    await until(cancelled)
    await today.leave()
    await site.forget(site.topics.cancels)  # a month later the topic holds nothing of this any more
    later = await site.worker(clock=scheduler)
    scheduler.ahead = timedelta(days=DAYS, seconds=60)
    await until(lambda: outcomes(6))
    decisions = [
        (decision.notification_id, decision.outcome)
        for decision in await site.decisions()
        if decision.turn is not None
    ]
    assert dict(decisions) == {
        planned["e1"]: "cancelled",
        planned["e2"]: "cancelled",
        planned["e3"]: "decided",
    }
    assert {job.notification_id for job in await site.jobs(Channel.EMAIL)} == {planned["e3"]}
    await later.leave()
