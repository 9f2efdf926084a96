"""Items that wait together go together, each delivery once; an error ends whom it concerns."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from tocsin.contracts.jobs import InappContent, Job
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dispatch_inapp.item_batches import MOST, ItemBatches, WaitingItem
from tocsin.dispatch_inapp.new_item import NewItem, new_item
from tocsin.testing.jobs import job_for

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Store:
    """Writes as it is told: waits until it may, refuses some recipients, or fails."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.refused: set[str] = set()
        self.failure: Exception | None = None

    async def write(self, batch: Sequence[WaitingItem]) -> None:
        self.batches.append([entry.item.recipient for entry in batch])
        await self.may_go.wait()
        if self.failure is not None:
            raise self.failure
        if self.refused & {entry.item.recipient for entry in batch}:
            raise asyncpg.CheckViolationError("no")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def batches(store: Store) -> ItemBatches:
    return ItemBatches(write=store.write, service="dispatch-inapp", seconds=30)


def waiting(recipient: str, lane: Lane = Lane.TRANSACTIONAL, delivery: str = "") -> tuple[Job, NewItem]:
    job = job_for(Channel.INAPP, recipient=recipient, lane=lane, delivery_id=delivery or str(uuid4()))
    assert isinstance(job.private.content, InappContent)
    return job, new_item(job, job.private.content, provider="inbox", now=NOW, keep=timedelta(days=1))


async def test_what_comes_while_one_batch_is_written_is_the_next(store: Store, batches: ItemBatches):
    store.may_go.clear()
    first = asyncio.create_task(batches.put(*waiting("first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(batches.put(*waiting(f"r{number}"))) for number in range(MOST + 1)]
    await asyncio.sleep(0)
    store.may_go.set()
    await asyncio.gather(first, *others)
    assert [len(batch) for batch in store.batches] == [1, MOST, 1]


async def test_a_lane_waits_for_no_other(store: Store, batches: ItemBatches):
    store.may_go.clear()
    bulk = asyncio.create_task(batches.put(*waiting("bulk", Lane.BULK)))
    await asyncio.sleep(0)
    critical = asyncio.create_task(batches.put(*waiting("critical", Lane.CRITICAL)))
    for _ in range(3):
        await asyncio.sleep(0)
    assert store.batches == [["bulk"], ["critical"]]
    store.may_go.set()
    await asyncio.gather(bulk, critical)


async def test_the_same_delivery_comes_into_no_batch_twice(store: Store, batches: ItemBatches):
    same = waiting("ada", delivery=str(uuid4()))
    await asyncio.gather(batches.put(*same), batches.put(*same), batches.put(*waiting("ben")))
    assert store.batches == [["ada"], ["ada", "ben"]]


async def test_a_refused_item_ends_alone(store: Store, batches: ItemBatches):
    store.refused = {"ada"}
    results = await asyncio.gather(
        *(batches.put(*waiting(recipient)) for recipient in ("ben", "ada", "clara")), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), asyncpg.CheckViolationError, type(None)]


async def test_any_other_error_ends_the_whole_batch(store: Store, batches: ItemBatches):
    store.failure = ConnectionResetError()
    results = await asyncio.gather(
        *(batches.put(*waiting(recipient)) for recipient in ("ada", "ben")), return_exceptions=True
    )
    assert [type(result) for result in results] == [ConnectionResetError] * 2
    store.failure = None
    await batches.put(*waiting("ada"))


async def test_nobody_stores_what_nobody_waits_for_any_more(store: Store, batches: ItemBatches):
    store.may_go.clear()
    first = asyncio.create_task(batches.put(*waiting("first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    given_up = asyncio.create_task(batches.put(*waiting("given up")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    store.may_go.set()
    await first
    await batches.close()
    assert store.batches == [["first"]]
