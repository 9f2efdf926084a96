"""An endpoint that fails for days: its tenant is told in three steps, each once, and then it is disabled."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

# The processes that die, and what they say, are those of the other deaths.
from tests.integration.router_worker.test_worker_deaths import (  # noqa: F401 - a fixture
    reached,
    start_worker,
)

from tocsin.contracts.cloudevents import read_kafka
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import ProviderTry, Status, status_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.router import tables
from tocsin.router.worker.endpoint_health import EndpointsWatched, answered
from tocsin.testing.jobs import job_for

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

TABLE = tables.webhook_endpoints
NOW = datetime.now(UTC) + timedelta(days=1)
"""Later than any endpoint here is saved, however long the tests before these take."""


def status(days: float, *, tenant: str = "acme", name: StatusName = StatusName.DEFERRED) -> Status:
    job = job_for(Channel.WEBHOOK, address_key="shop")
    told = status_of(
        name, job, lane=Lane.TRANSACTIONAL, cause=f"jobs/0/{days}", at=NOW + timedelta(days=days), reason=Reason.PROVIDER_ERROR,
        provider_code="HTTP 503", tries=[ProviderTry(provider="webhooks", answer="not_sent", ms=3)],
    )  # fmt: skip
    return msgspec.structs.replace(told, tenant=tenant)


async def save_endpoints(site: Any) -> None:
    async with site.database.engine.begin() as db:
        await db.execute(insert(tables.tenants).values(id="beta"))
        for tenant in ("acme", "beta"):
            row = {"tenant": tenant, "key": "shop", "url": "https://shop.example/", "secrets": ["s"]}
            await db.execute(insert(TABLE).values(**row, event_types=["*"]))


async def endpoint(site: Any, tenant: str = "acme") -> Any:
    async with site.database.engine.connect() as db:
        return (await db.execute(select(TABLE).where(TABLE.c.tenant == tenant))).one()


def events(records: Sequence[ProducerRecord]) -> list[tuple[str, str, dict[str, Any]]]:
    read = [read_kafka(record.headers, record.value, default_tenant=None) for record in records]
    assert {event.subject for event in read} <= {"webhook-endpoints"}
    return [(event.type, event.id, msgspec.json.decode(event.data)) for event in read]


async def test_it_is_told_of_three_times_and_then_disabled(site):
    await save_endpoints(site)
    watched = EndpointsWatched(lane=Lane.TRANSACTIONAL, topics=Topics("t."), database=site.database)

    async def learn(*statuses: Status) -> list[tuple[str, str, dict[str, Any]]]:
        heard = [answered(told, record=f"status/0/{told.cause}") for told in statuses]
        return events(await watched.learn([each for each in heard if each is not None]))

    assert await learn(status(0), status(0.5), status(0, tenant="beta")) == []
    assert (await endpoint(site)).failing_since == NOW
    ((kind, first, data),) = await learn(status(1))
    assert kind == "tocsin.webhook.endpoint.failing.v1"
    since = NOW.isoformat().replace("+00:00", "Z")
    assert data == {
        "endpoint": "shop", "name": "", "failing_since": since, "days": 1, "last_error": "HTTP 503", "disabled": False,
    }  # fmt: skip
    assert [each[1] for each in await learn(status(1))] == [first], "read again, it is written again"
    assert await learn(status(2), status(2.9)) == []
    ((kind, second, data),) = await learn(status(3.5))
    assert (kind, data["days"], second == first) == ("tocsin.webhook.endpoint.failing.v1", 3, False)
    assert (await endpoint(site)).revision == 1, "what its owner has read of it is still what stands"
    ((kind, _, data),) = await learn(status(5.6), status(5.7))
    assert (kind, data["disabled"]) == ("tocsin.webhook.endpoint.disabled.v1", True)
    row = await endpoint(site)
    assert (row.enabled, row.disabled_reason, row.revision) == (False, "failing", 2)
    assert len(await learn(status(5.6))) == 1
    assert await learn(status(6), status(9)) == []
    assert (await endpoint(site)).revision == 2
    other = await endpoint(site, "beta")
    assert (other.enabled, other.told, other.failing_since) == (True, 0, NOW)
    assert await learn(status(1, name=StatusName.SENT, tenant="beta")) == []
    assert (await endpoint(site, "beta")).failing_since is None
    async with site.database.engine.connect() as db:
        changed = (await db.execute(select(tables.outbox.c.kind, tables.outbox.c.tenant))).all()
    assert [tuple(change) for change in changed] == [("webhook_endpoint", "acme")]


async def test_answers_from_before_it_was_saved_say_nothing(site):
    await save_endpoints(site)
    async with site.database.engine.begin() as db:
        await db.execute(update(TABLE).values(updated_at=NOW + timedelta(days=2)))
    watched = EndpointsWatched(lane=Lane.TRANSACTIONAL, topics=Topics("t."), database=site.database)
    answer = answered(status(1), record="status/0/1")
    assert answer is not None
    assert await watched.learn([answer]) == []
    assert (await endpoint(site)).failing_since is None


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
async def test_a_worker_killed_while_it_tells_tells_once(site, start_worker, until, place):  # noqa: F811
    await save_endpoints(site)
    topic = site.topics.status(Lane.TRANSACTIONAL)
    key = recipient_key("acme", "ada")
    await site.publish(*(ProducerRecord(topic, key, encode(status(days))) for days in (0, 1.5, 1.6)))
    dying = await start_worker(f"{place}=kill")
    await reached(dying)
    second = await site.worker()

    async def told() -> list[tuple[str, str, dict[str, Any]]]:
        return events(await site.read(site.topics.events(Lane.TRANSACTIONAL)))

    async def unmatched() -> bool:
        return [
            each.status for each in await site.statuses() if each.event_source == "tocsin:webhook-endpoints"
        ] == ["event_unmatched"]

    await until(unmatched)
    await second.leave()
    assert [(kind, data["days"]) for kind, _, data in await told()] == [
        ("tocsin.webhook.endpoint.failing.v1", 1)
    ]
    assert (await endpoint(site)).told == 1
