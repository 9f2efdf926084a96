"""Who adds, removes and imports suppressions at once: they wait for each other where they touch the same address, and nobody deadlocks."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from tocsin.router import tables
from tocsin.router.api.rows import put_row
from tocsin.router.changes import raise_versions
from tocsin.router.suppressions import NewSuppression, remove, suppress

pytestmark = pytest.mark.postgres

HASH = "h1.AAAAAAAAAAAAAAAA"
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")  # fmt: skip


@pytest.fixture
async def acme(database):
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants), [{"id": "acme"}])


def row(cause: str, address_hash: str = HASH) -> NewSuppression:
    return NewSuppression("acme", "email", address_hash, cause, "api")


async def waiting(database, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """The work, begun, once it waits for a lock."""
    task = asyncio.create_task(work)
    async with database.engine.connect() as observer:
        while not task.done() and not await observer.scalar(WAITING):
            await observer.rollback()
    assert not task.done()
    return task


async def removed(database) -> int:
    async with database.engine.begin() as db:
        return await remove(db, tenant="acme", channel="email", hashes=[HASH], key_id="k", reason="r")


async def test_a_removal_and_an_addition_take_rows_in_one_order(database, acme):
    """The rows lie on the disk in the other order: a removal that took them as they lie would hold the second and wait for the first."""
    for cause in ("complaint", "bounce"):
        async with database.engine.begin() as db:
            await suppress(db, [row(cause)])
    async with database.engine.connect() as db, db.begin():
        await suppress(db, [row("bounce")])
        removing = await waiting(database, removed(database))
        await suppress(db, [row("complaint")])
    assert await removing == 2


async def test_two_that_suppress_the_same_addresses_wait_for_each_other(database, acme):
    """As two shards of one lane do, and a shard and an import: each batch has the addresses in an order of its own."""
    hashes = [f"h1.{number:016}" for number in range(200)]

    async def learn(order: list[str]) -> None:
        async with database.engine.begin() as db:
            changed = await suppress(db, [row("bounce", each) for each in order])
            people = [key[2] for key in changed] or order
            await raise_versions(db, "acme", people)

    await asyncio.gather(*(learn(hashes[:: 1 if number % 2 else -1]) for number in range(6)))
    async with database.engine.connect() as db:
        assert await db.scalar(select(func.count()).select_from(tables.suppressions)) == len(hashes)


async def test_an_import_under_way_holds_up_no_change_of_its_tenant(database, acme):
    """Its rows refer to the tenant, which is locked for as long as its transaction is open; changing the tenant's name needs no more than that."""
    async with database.engine.connect() as importing, importing.begin():
        await suppress(importing, [row("bounce", f"h1.{number:016}") for number in range(1_000)])
        async with database.engine.begin() as db:
            await db.execute(text("SET LOCAL lock_timeout = '30s'"))
            _, outcome = await put_row(
                db, tables.tenants, key={"id": "acme"}, values={"name": "Acme"}, if_match=None
            )
            await suppress(db, [row("manual")])
            await raise_versions(db, "acme", ["ann"])
    assert outcome == "updated"
