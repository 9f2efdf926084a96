"""An address that very many recipients share: it is suppressed for all of them in one transaction, and single changes do not wait for it."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.router.changes import MANY
from tocsin.router.relay import Relay
from tocsin.testing.running import running

from .conftest import Directory, published, state, statements

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SHARED = {"channel": "email", "address": "team@example.test"}
OTHER = {"channel": "email", "address": "ann@example.test"}
COUNT = 5 * MANY


async def share(directory: Directory, count: int) -> None:
    """So many recipients with one address, in two ways of writing it, and Ann with her own."""
    await directory.rows(
        "INSERT INTO directory.recipients (tenant, id, email) "
        "SELECT 'acme', 'r' || n, CASE n % 2 WHEN 0 THEN 'team@example.test' ELSE 'Team@example.test' END FROM generate_series(1, :count) n RETURNING 1",
        count=count,
    )
    await directory.rows(
        "INSERT INTO directory.recipients (tenant, id, email) VALUES ('acme', 'ann', 'ann@example.test') RETURNING 1"
    )


async def test_all_who_share_an_address_are_raised_and_a_single_change_overtakes_them(
    *,
    acme: httpx.AsyncClient,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
) -> None:
    await share(directory, COUNT)
    for named in (SHARED, OTHER):
        assert (await acme.post("/v1/suppressions", json=named)).status_code == 201
    async with running(relay):
        await published(directory)
    assert (await state(kafka, topics.stops)).keys() == {
        "acme/ann",
        *(f"acme/r{number}" for number in range(1, COUNT + 1)),
    }
    assert await first_on(kafka, topics) == b"acme/ann"


async def first_on(kafka: KafkaSettings, topics: Topics) -> bytes | None:
    """Whose version was published before all others."""
    async for records in read_to_end(settings=kafka, topic=topics.stops, deadline=30):
        return records[0].key
    return None


async def test_up_to_so_many_are_published_before_all_else(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    await share(directory, MANY)
    assert (await acme.post("/v1/suppressions", json=SHARED)).status_code == 201
    turns = await directory.rows("SELECT turn, count(*) FROM directory.outbox GROUP BY turn")
    assert turns == [(0, MANY)]


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
async def test_how_many_share_it_costs_no_statements(
    acme: httpx.AsyncClient, directory: Directory, engine: AsyncEngine, again: bool
) -> None:
    await share(directory, COUNT)
    if again:
        await acme.post("/v1/suppressions", json=SHARED)
    with statements(engine) as executed:
        answer = await acme.post("/v1/suppressions", json=SHARED)
    assert answer.status_code == (200 if again else 201)
    assert len(executed) < 40, executed
