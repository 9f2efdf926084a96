"""A tenant's day, from both ways in to the hand-over: ingest, router, relay and scheduler on a real broker and a real database."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tocsin.contracts.directory import ApiKeyRecord, CategoryRecord
from tocsin.contracts.vocabulary import Channel
from tocsin.ingest.app import create_app
from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.service import IngestService
from tocsin.kafka import Replica
from tocsin.router import tables
from tocsin.router.entities import EntityRef, queue
from tocsin.router.relay import Relay
from tocsin.runtime import Health
from tocsin.testing.running import running
from tocsin.web import new_key

from .conftest import MovedClock, Site

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

QUOTA = 3
LIFE = 6 * 86_400
"""Of each message: longer than it waits here."""
TENANT = EntityRef("tenant", "acme", ())


@asynccontextmanager
async def way_in(site: Site, clock: MovedClock) -> AsyncIterator[tuple[httpx.AsyncClient, Directory]]:
    """An ingest with a caller that has a live key, and what it knows of the relay's records."""
    key = new_key("live")
    await site.publish_entities(
        ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["send"]),
        CategoryRecord(tenant="acme", key="orders", ttl_seconds=LIFE),
    )
    directory = Directory()
    replica = Replica(
        settings=site.kafka, topic=site.topics.directory, apply=directory.apply, health=site.health
    )
    service = IngestService(
        directory=directory,
        publisher=EventPublisher(kafka=site.publisher, topics=site.topics, timeout=30, retry_after=2),
        caught_up=replica.caught_up,
        clock=clock,
    )
    transport = httpx.ASGITransport(create_app(service=service, health=site.health))
    headers = {"authorization": f"Bearer {key.reveal()}"}
    async with (
        running(replica),
        httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers) as client,
    ):
        await replica.caught_up.wait()
        yield client, directory


async def give_quota(site: Site) -> None:
    """As an operator does it: the tenant's row, and its place in the outbox."""
    async with site.database.engine.begin() as db:
        senders = {"email": {"address": "shop@example.test"}}
        limits = {"messages_per_day": QUOTA}
        await db.execute(update(tables.tenants).values(limits=limits, senders=senders))
        await queue(db, [TENANT])


def midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def request(person: str) -> dict[str, Any]:
    return {"workflow": "shipped", "recipients": [person], "lane": "transactional", "data": {"name": "Ann"}}


async def test_what_is_over_is_refused_over_http_and_waits_over_kafka(
    site: Site, scheduler: MovedClock, until: Any
) -> None:
    """The day is tomorrow and the test begins at noon, so that the machine's own midnight plays no part."""
    day = datetime.now(UTC).date() + timedelta(days=1)
    midnight = midnight_after(day)
    scheduler.ahead = midnight - timedelta(hours=12) - datetime.now(UTC)
    relay = Relay(engine=site.database.engine, settings=site.kafka, health=Health(service="router"))

    async def decided(wanted: int) -> bool:
        return len(await site.decisions()) == wanted

    async def outcomes() -> Counter[str]:
        return Counter(decision.outcome for decision in await site.decisions())

    async with running(relay), way_in(site, scheduler) as (client, directory):

        async def told() -> bool:
            return directory.quota_reached_on("acme") == day

        await give_quota(site)
        await until(lambda: _true(directory.limits("acme") is not None))
        worker = await site.worker(clock=scheduler)
        over_http = [f"p{number}" for number in range(QUOTA)]
        for person in over_http:
            assert (await client.post("/v1/notifications", json=request(person))).status_code == 202
        await until(lambda: decided(3))
        over_kafka = [f"p{10 + number}" for number in range(5)]
        await site.publish(*(site.event(f"of {person}", person=person) for person in over_kafka))
        await until(lambda: decided(3 + 5))
        assert await outcomes() == Counter(decided=3, scheduled=5)
        waits = [decision for decision in await site.decisions() if decision.outcome == "scheduled"]
        assert {(decision.reason, decision.due_at) for decision in waits} == {("quota", midnight)}
        assert sorted(job.recipient for job in await site.jobs(Channel.EMAIL)) == over_http

        await until(told)
        before = scheduler.now()
        answer = await client.post("/v1/notifications", json=request("p0"))
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
        seconds = int(answer.headers["retry-after"])
        left = [ceil((midnight - at).total_seconds()) for at in (before, scheduler.now())]
        assert left[1] <= seconds <= left[0]
        assert answer.headers["ratelimit-policy"] == f'"tenant-day";q={QUOTA};w=86400'
        assert answer.headers["ratelimit"] == f'"tenant-day";r=0;t={seconds}'

        scheduler.ahead += midnight + timedelta(seconds=60) - scheduler.now()
        await until(lambda: decided(3 + 5 + 5))
        assert await outcomes() == Counter(decided=3 + 3, scheduled=5 + 2)

        scheduler.ahead += timedelta(days=1)
        await until(lambda: decided(3 + 5 + 5 + 2))
        assert (await client.post("/v1/notifications", json=request("p19"))).status_code == 202
        await until(lambda: decided(3 + 5 + 5 + 2 + 1))
        recipients = [job.recipient for job in await site.jobs(Channel.EMAIL)]
        assert sorted(recipients) == sorted([*over_http, *over_kafka, "p19"])
        await worker.leave()


async def _true(holds: bool) -> bool:
    return holds
