"""Items are stored once, numbered without gaps, and counted as they stand."""

import asyncio
import random
from datetime import timedelta
from uuid import uuid4

import pytest

from tocsin.dispatch_inapp.new_item import NewItem
from tocsin.dispatch_inapp.removing import Removing
from tocsin.testing import ManualClock

from .conftest import KEEP, NOW, Inboxes, item

pytestmark = pytest.mark.postgres


async def numbers(inboxes: Inboxes, recipient: str = "ada") -> list[int]:
    rows = await inboxes.rows("SELECT seq FROM inbox.items WHERE recipient = $1 ORDER BY seq", recipient)
    return [row["seq"] for row in rows]


async def test_a_batch_is_numbered_in_its_order_in_each_box(inboxes: Inboxes):
    first, second, other = item(), item(), item("ben")
    assert await inboxes.store(first, other, second) == 3
    rows = await inboxes.rows("SELECT id, seq FROM inbox.items WHERE recipient = 'ada' ORDER BY seq")
    assert [(row["id"], row["seq"]) for row in rows] == [(first.id, 1), (second.id, 2)]
    assert await numbers(inboxes, "ben") == [1]
    await inboxes.counts_are_those_of_rows()


async def test_what_stands_already_is_not_stored_again_and_takes_no_number(inboxes: Inboxes):
    first, second = item(), item()
    assert await inboxes.store(first) == 1
    assert await inboxes.store(second, first) == 1
    assert await inboxes.store(first, second) == 0
    assert await numbers(inboxes) == [1, 2]
    await inboxes.counts_are_those_of_rows()


async def test_one_delivery_of_two_tenants_is_two_items(inboxes: Inboxes):
    same = uuid4()
    assert await inboxes.store(item(id=same), item(id=same, tenant="beta")) == 2
    assert await inboxes.store(item("ben", id=same)) == 1
    await inboxes.counts_are_those_of_rows()


async def test_who_stores_the_same_at_once_stores_it_once(inboxes: Inboxes):
    """Two owners of a shard for a moment, and lanes that share boxes: any overlap, in any order, ends with each item once."""
    chance = random.Random(7)
    items = [item(f"r{number % 5}") for number in range(60)]

    async def store_some() -> int:
        stored = 0
        for _ in range(6):
            stored += await inboxes.store(*chance.sample(items, 20))
        return stored

    stored = sum(await asyncio.gather(*(store_some() for _ in range(6))))
    rows = await inboxes.rows("SELECT count(*) AS rows FROM inbox.items")
    assert rows[0]["rows"] == stored
    for number in range(5):
        seqs = await numbers(inboxes, f"r{number}")
        assert seqs == list(range(1, len(seqs) + 1))
    await inboxes.counts_are_those_of_rows()


def removing(inboxes: Inboxes) -> Removing:
    return Removing(database=inboxes.database, clock=ManualClock(NOW))


async def test_what_has_expired_or_is_too_old_is_removed_and_counted_no_more(inboxes: Inboxes):
    early = item(remove_at=NOW + timedelta(hours=1))
    await inboxes.store(early, item(), item("ben", remove_at=NOW + timedelta(hours=2)))
    assert await removing(inboxes).remove(NOW, at_most=10) == (0, 0)
    assert await removing(inboxes).remove(NOW + timedelta(hours=3), at_most=1) == (1, 1)
    assert await removing(inboxes).remove(NOW + timedelta(hours=3), at_most=10) == (1, 1)
    assert await numbers(inboxes) == [2]
    await inboxes.counts_are_those_of_rows()
    assert await inboxes.store(item()) == 1
    assert await numbers(inboxes) == [2, 3]  # a number is not given out again
    assert await removing(inboxes).remove(NOW + KEEP, at_most=10) == (2, 2)
    await inboxes.counts_are_those_of_rows()


async def test_two_sweeps_at_once_count_each_item_once(inboxes: Inboxes):
    await inboxes.store(*(item(f"r{number % 3}", remove_at=NOW) for number in range(90)))
    both = await asyncio.gather(*(removing(inboxes).remove(NOW, at_most=90) for _ in range(3)))
    assert sum(removed for _, removed in both) == 90
    await inboxes.counts_are_those_of_rows()


async def test_a_sweep_takes_all_there_is_portion_by_portion(inboxes: Inboxes):
    portion: list[NewItem] = [item(f"r{number % 3}", remove_at=NOW) for number in range(600)]
    await inboxes.store(*portion)
    await removing(inboxes).sweep(asyncio.Event())
    assert await inboxes.rows("SELECT FROM inbox.items") == []
    await inboxes.counts_are_those_of_rows()
