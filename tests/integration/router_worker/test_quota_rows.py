"""The statement that counts a tenant's day, on a real PostgreSQL: its re-runs, its order, and many who count at once."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, text

from tocsin.database import Database
from tocsin.router import tables
from tocsin.router.worker.quota import QuotaAsked, Quotas

pytestmark = pytest.mark.postgres

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def quotas(database: Database) -> Quotas:
    return Quotas(database=database)


def asked(*offsets: int, tenant: str = "acme", place: str = "events/0", quota: int = 5) -> list[QuotaAsked]:
    return [QuotaAsked(tenant, place, offset, quota) for offset in offsets]


async def test_the_first_are_let_in_and_a_re_run_counts_nothing_twice(quotas: Quotas) -> None:
    assert await quotas.count(DAY, asked(10, 11, 12)) == [True] * 3
    assert await quotas.count(DAY, asked(10, 11, 12)) == [True] * 3
    assert await quotas.count(DAY, asked(11, 12, 13, 20)) == [True] * 4
    assert await quotas.count(DAY, asked(21, 22)) == [False, False]
    assert await quotas.count(DAY, asked(12, 13, 20, 21, 22)) == [True, True, True, False, False]
    assert await quotas.count(NEXT, asked(21, 22)) == [True, True]


async def test_partitions_share_one_day_and_tenants_do_not(quotas: Quotas) -> None:
    both = [
        *asked(1, 2, 3, quota=4),
        *asked(7, 8, place="intents/1", quota=4),
        *asked(1, tenant="other", quota=1),
    ]
    assert await quotas.count(DAY, both) == [True, True, True, True, False, True]
    assert await quotas.count(DAY, both) == [True, True, True, True, False, True]
    assert await quotas.count(DAY, asked(2, tenant="other", quota=1)) == [False]


async def test_a_raised_quota_holds_for_what_comes(quotas: Quotas) -> None:
    assert await quotas.count(DAY, asked(1, 2, quota=1)) == [True, False]
    assert await quotas.count(DAY, asked(3, 4, quota=3)) == [True, True]
    assert await quotas.count(DAY, asked(5, quota=3)) == [False]


async def test_many_at_once_let_in_as_many_as_the_quota(quotas: Quotas) -> None:
    batches = [
        [
            *asked(*range(10), place=f"events/{number}", quota=37),
            *asked(*range(10), tenant="other", place=f"events/{number}", quota=11),
        ]
        for number in range(8)
    ]
    answers = await asyncio.gather(*(quotas.count(DAY, batch) for batch in batches))
    assert sum(sum(answer[:10]) for answer in answers) == 37
    assert sum(sum(answer[10:]) for answer in answers) == 11
    assert [await quotas.count(DAY, batch) for batch in batches] == list(answers)


async def test_the_directory_is_told_once_a_day(database: Database, quotas: Quotas) -> None:
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants).values(id="acme"))
    for day in (DAY, DAY, NEXT):
        await quotas.tell(day, ["acme", "nobody"])
    async with database.engine.connect() as db:
        noted = (await db.execute(text("SELECT kind, tenant FROM directory.outbox"))).all()
        reached = (await db.execute(text("SELECT quota_reached_on FROM directory.tenants"))).scalar()
    assert ([tuple(row) for row in noted], reached) == ([("tenant", "acme")] * 2, NEXT)


async def test_days_that_are_over_are_deleted(quotas: Quotas) -> None:
    await quotas.count(date(2020, 1, 1), asked(1))
    await quotas.count(datetime.now(UTC).date(), asked(1))
    assert await quotas.delete_expired(at_most=10) == 1
