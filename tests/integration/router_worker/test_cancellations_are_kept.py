"""Cancellations on a real broker and a real database: kept before they are published, whoever dies in between."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from tests.integration.router_worker.test_worker_deaths import reached, start_worker  # noqa: F401 - a fixture

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_cancellation, encode
from tocsin.contracts.events import CANCELLATION_REQUESTED, Event
from tocsin.contracts.ids import notification_id
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.database import Database
from tocsin.kafka import ProducerRecord
from tocsin.router.worker.cancellations import CancellationRows

NOW = datetime.now(UTC).replace(microsecond=0)


def cancelling(key: str, at: datetime = NOW, tenant: str = "acme") -> Cancellation:
    return Cancellation(tenant=tenant, key=key, requested_at=at, origin="e/0/0")


@pytest.mark.postgres
async def test_the_latest_request_stands_and_a_repetition_changes_nothing(database: Database) -> None:
    rows = CancellationRows(database=database)
    a, b = cancelling("a"), cancelling("b")
    later = cancelling("a", NOW + timedelta(seconds=1))
    other = cancelling("a", NOW + timedelta(days=1), tenant="other")
    await rows.store([a, b, later, a])
    await rows.store([a, other])
    await rows.store([])
    assert await rows.requested([a.hash, b.hash, cancelling("c").hash]) == {
        a.hash: later.requested_at,
        b.hash: NOW,
    }
    assert await rows.requested([other.hash]) == {other.hash: other.requested_at}


@pytest.mark.postgres
async def test_many_at_once_wait_for_nobody(database: Database) -> None:
    rows = CancellationRows(database=database)
    given = [cancelling(str(number)) for number in range(200)]
    await asyncio.gather(*(rows.store(given if turn % 2 else given[::-1]) for turn in range(6)))
    assert len(await rows.requested([cancellation.hash for cancellation in given])) == 200


@pytest.mark.postgres
async def test_rows_are_deleted_after_thirteen_months_a_few_at_a_time(database: Database) -> None:
    rows = CancellationRows(database=database)
    await rows.store([cancelling(f"old {number}", NOW - timedelta(days=400)) for number in range(5)])
    await rows.store([cancelling("young", NOW - timedelta(days=390))])
    assert [await rows.delete_expired(at_most=3) for _ in range(3)] == [3, 2, 0]
    assert await rows.requested([cancelling("young").hash])


def event(site: Any, event_id: str, **data: str) -> ProducerRecord:
    """A cancellation, in the lane in which tests have workers."""
    cancellation = Event(
        tenant="acme",
        source="/shop",
        id=event_id,
        type=CANCELLATION_REQUESTED,
        data=msgspec.Raw(encode(data)),
    )
    headers, value = write_kafka(cancellation)
    return ProducerRecord(site.topics.events(Lane.TRANSACTIONAL), b"c", value, tuple(headers))


async def kept(site: Any) -> list[tuple[bytes, datetime]]:
    async with site.database.engine.connect() as db:
        found = await db.execute(text("SELECT hash, requested_at FROM directory.cancellations"))
        return [(bytes(row.hash), row.requested_at) for row in found]


async def cancels(site: Any) -> list[Cancellation]:
    return [decode_cancellation(record.value or b"") for record in await site.read(site.topics.cancels)]


Start = Callable[[str], Awaitable[asyncio.subprocess.Process]]


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.parametrize("place", ["after_claim", "before_commit"])
async def test_a_router_killed_behind_the_row_publishes_it_once_and_it_holds(
    site: Any,
    start_worker: Start,  # noqa: F811 - the fixture
    until: Any,
    place: str,
) -> None:
    await site.publish(event(site, "c1", key="order-1"))
    first = await start_worker(f"{place}=kill")
    await reached(first)
    [row] = await kept(site)
    assert await cancels(site) == [], "the row stands, and its transaction does not"
    second = await site.worker()
    await until(lambda: cancels(site))
    [cancellation] = await cancels(site)
    assert (cancellation.hash, cancellation.requested_at) == row
    assert await kept(site) == [row]
    assert [status.status for status in await site.statuses()] == ["cancel_requested"]
    await site.publish(event(site, "c1", key="order-1"))  # its producer repeats it

    async def repeated() -> bool:
        return len(await site.statuses()) == 2

    await until(repeated)
    assert [status.status for status in await site.statuses()] == ["cancel_requested", "event_duplicate"]
    assert (len(await cancels(site)), await kept(site)) == (1, [row])
    await second.leave()


@pytest.mark.kafka
@pytest.mark.postgres
async def test_what_waits_behind_its_cancellation_is_not_sent(site: Any, until: Any) -> None:
    """Events wait while no router is there. The cancellation is processed by another process first."""
    ids = [
        notification_id(tenant="acme", source="/shop", event_id=event, recipient="p0", workflow="shipped")
        for event in ("e1", "e2")
    ]
    worker = await site.worker()
    await site.publish(event(site, "c1", notification_id=ids[0]))
    await until(lambda: cancels(site))
    await site.publish(site.event("e1"), site.event("e2"))

    async def decided() -> bool:
        return len(await site.decisions()) == 2

    await until(decided)
    outcomes = {decision.notification_id: decision.outcome for decision in await site.decisions()}
    assert outcomes == {ids[0]: "cancelled", ids[1]: "decided"}
    assert {job.notification_id for job in await site.jobs(Channel.EMAIL)} == {ids[1]}
    await worker.leave()
