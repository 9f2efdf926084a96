"""An endpoint that has answered 410 is disabled, unless it was saved since."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from tocsin.contracts.statuses import Status, status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.router import tables
from tocsin.router.worker.gone_endpoints import GoneEndpoints, endpoint_gone
from tocsin.testing.jobs import job_for

TABLE = tables.webhook_endpoints


def gone(**fields: Any) -> Status:
    job = job_for(Channel.WEBHOOK, address_key="shop", test=fields.pop("test", False))
    status = status_of(
        StatusName.FAILED,
        job,
        lane=Lane.BULK,
        cause="jobs/0/1",
        at=datetime.now(UTC) + timedelta(seconds=1),
        reason=Reason.ENDPOINT_GONE,
    )
    return msgspec.structs.replace(status, **fields)


@pytest.fixture
async def lessons(site) -> GoneEndpoints:
    async with site.database.engine.begin() as db:
        for tenant in ("acme", "beta"):
            if tenant == "beta":
                await db.execute(insert(tables.tenants).values(id="beta"))
            row = {"tenant": tenant, "key": "shop", "url": "https://shop.example/", "secrets": ["s"]}
            await db.execute(insert(TABLE).values(**row, event_types=["*"]))
    return GoneEndpoints(lane=Lane.BULK, database=site.database)


async def endpoints(site) -> dict[str, tuple[bool, str | None, int]]:
    async with site.database.engine.connect() as db:
        rows = await db.execute(select(TABLE))
        return {row.tenant: (row.enabled, row.disabled_reason, row.revision) for row in rows}


async def outbox(site) -> list[tuple[str, str]]:
    async with site.database.engine.connect() as db:
        rows = await db.execute(select(tables.outbox.c.kind, tables.outbox.c.tenant))
        return [(row.kind, row.tenant) for row in rows if row.kind == "webhook_endpoint"]


async def test_it_is_disabled_once_and_everybody_hears_of_it(site, lessons):
    for _ in range(2):
        await lessons.disable(gone())
    assert await endpoints(site) == {"acme": (False, "gone", 2), "beta": (True, None, 1)}
    assert await outbox(site) == [("webhook_endpoint", "acme")]


async def test_one_that_was_saved_since_stays(site, lessons):
    await lessons.disable(gone(at=datetime.now(UTC) - timedelta(hours=1)))
    await lessons.disable(gone(address_key="another"))
    await lessons.disable(gone(address_key=None))
    assert {enabled for enabled, _, _ in (await endpoints(site)).values()} == {True}
    assert await outbox(site) == []


@pytest.mark.parametrize(
    ("fields", "matters"),
    [
        ({}, True),
        ({"test": True}, False),
        ({"reason": Reason.ENDPOINT_DISABLED}, False),
        ({"status": StatusName.DEFERRED}, False),
        ({"channel": Channel.EMAIL}, False),
        ({"channel": "of a newer release"}, False),
    ],
)
def test_which_statuses_matter(fields, matters):
    assert endpoint_gone(gone(**fields)) is matters
