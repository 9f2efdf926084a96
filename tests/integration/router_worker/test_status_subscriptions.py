"""From a status to the job that tells it to an endpoint, on a real broker: once, also where the worker dies in the middle."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

# The processes that die, and what they say, are those of the other deaths.
from tests.integration.router_worker.test_worker_deaths import (  # noqa: F401 - a fixture
    reached,
    start_worker,
)

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.testing.jobs import job_for

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PEOPLE = [f"p{number}" for number in range(20)]


def endpoint(key: str, *statuses: str, tenant: str = "acme") -> WebhookEndpointRecord:
    url = f"https://{key}.example/"
    return WebhookEndpointRecord(tenant=tenant, key=key, url=url, secrets=["s"], statuses=list(statuses))


def told(site: Any, person: str, number: int, name: StatusName = StatusName.DELIVERED) -> ProducerRecord:
    status = status_of(
        name, job_for(Channel.EMAIL, recipient=person), lane=Lane.TRANSACTIONAL, cause=f"jobs/0/{number}", at=datetime.now(UTC)
    )  # fmt: skip
    return ProducerRecord(
        site.topics.status(Lane.TRANSACTIONAL), recipient_key("acme", person), encode(status)
    )


async def visible(site: Any) -> Counter[tuple[str, str]]:
    jobs = await site.jobs(Channel.WEBHOOK)
    return Counter((job.recipient, job.address_key) for job in jobs)


async def test_each_endpoint_is_told_once_of_what_it_asked_for(site, until):
    await site.publish_entities(
        endpoint("a", "delivered"), endpoint("b", "*"), endpoint("c", "*", tenant="beta")
    )
    worker = await site.worker()
    opened = told(site, "p0", 99, StatusName.OPENED)
    await site.publish(*(told(site, person, number) for number, person in enumerate(PEOPLE)), opened)
    expected = Counter((person, key) for person in PEOPLE for key in "ab") + Counter({("p0", "b"): 1})

    async def complete() -> bool:
        return await visible(site) == expected

    await until(complete)
    await worker.leave()
    later = await site.worker()
    await site.publish(told(site, "p1", 100))

    async def one_more() -> bool:
        return (await visible(site))[("p1", "a")] == 2

    await until(one_more)
    await later.leave()
    assert await visible(site) == expected + Counter({("p1", "a"): 1, ("p1", "b"): 1})


async def test_one_that_was_saved_in_force_is_told_of_the_next_status(site, until):
    worker = await site.worker()
    await site.publish(told(site, "p0", 1))
    await site.publish_entities(endpoint("a", "*"))
    await site.publish(told(site, "p2", 2))

    async def second() -> bool:
        return ("p2", "a") in await visible(site)

    await until(second)
    await worker.leave()


@pytest.mark.parametrize("place", ["after_produce", "after_offsets", "before_commit", "after_commit"])
async def test_a_worker_killed_while_it_tells_loses_and_doubles_nothing(site, start_worker, until, place):  # noqa: F811
    await site.publish_entities(endpoint("a", "*"))
    await site.publish(*(told(site, person, number) for number, person in enumerate(PEOPLE)))
    dying = await start_worker(f"{place}=kill")
    await reached(dying)
    second = await site.worker()
    expected = Counter((person, "a") for person in PEOPLE)

    async def complete() -> bool:
        seen = await visible(site)
        assert not seen - expected, "told twice"
        return seen == expected

    await until(complete)
    await second.leave()
    jobs = await site.jobs(Channel.WEBHOOK)
    assert len({job.delivery_id for job in jobs}) == len(jobs) == len(PEOPLE)
