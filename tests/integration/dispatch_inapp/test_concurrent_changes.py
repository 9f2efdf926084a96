"""Whatever is stored, changed and removed at the same time: the counts of a box are those of its rows."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from tocsin.dispatch_inapp.changing_items import ChangingItems
from tocsin.dispatch_inapp.item_state import ItemChange
from tocsin.dispatch_inapp.removing import Removing
from tocsin.testing import ManualClock

from .conftest import NOW, Inboxes, item

pytestmark = pytest.mark.postgres

RECIPIENTS = ("ada", "ben", "clara")
CHANGES = (
    ItemChange(seen=True),
    ItemChange(read=True),
    ItemChange(read=False),
    ItemChange(archived=True),
    ItemChange(archived=False),
    ItemChange(read=True, archived=True),
)


@pytest.mark.parametrize("seed", range(4))
async def test_counts_are_those_of_rows_whatever_happens_at_once(inboxes: Inboxes, seed: int):
    chance = random.Random(seed)
    changing = ChangingItems(database=inboxes.database)
    removing = Removing(database=inboxes.database, clock=ManualClock(NOW))
    known: list[tuple[str, UUID]] = []

    async def store() -> None:
        items = [
            item(chance.choice(RECIPIENTS), remove_at=NOW + timedelta(minutes=chance.randrange(90)))
            for _ in range(chance.randrange(1, 8))
        ]
        known.extend((each.recipient, each.id) for each in items)
        await inboxes.store(*items)

    async def change() -> None:
        if known:
            recipient, id_ = chance.choice(known)
            await changing.change("acme", recipient, id_, chance.choice(CHANGES), at=NOW)

    async def see() -> None:
        await changing.see_until("acme", chance.choice(RECIPIENTS), chance.randrange(60), at=NOW)

    async def remove() -> None:
        await removing.remove(NOW + timedelta(minutes=chance.randrange(60)), at_most=5)

    steps: list[Callable[[], Awaitable[None]]] = [store, change, change, change, see, remove]

    async def at_random() -> None:
        for _ in range(25):
            await chance.choice(steps)()

    await store()
    await asyncio.gather(*(at_random() for _ in range(6)))
    await inboxes.counts_are_those_of_rows()
    told = await inboxes.rows(
        "SELECT item, status, count(*) AS times FROM inbox.changes WHERE status = 'seen' GROUP BY item, status"
    )
    assert all(row["times"] == 1 for row in told)
