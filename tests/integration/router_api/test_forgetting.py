"""Old versions are forgotten on `stops`, a bounded number at a time, and never in the database."""

from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.stops import decode_stop
from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaSettings
from tocsin.router import forgetting
from tocsin.router.changes import note_changed, raise_versions
from tocsin.router.forgetting import forget
from tocsin.router.relay import Relay
from tocsin.testing import ManualClock
from tocsin.testing.running import running

from .conftest import Directory, published, state

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
def clock() -> ManualClock:
    """The database has a clock of its own, so this one begins with it."""
    return ManualClock(datetime.now(UTC))


async def raised(engine: AsyncEngine, *recipients: str) -> None:
    async with engine.begin() as db:
        await raise_versions(db, "acme", recipients)


def _forgotten() -> float:
    return REGISTRY.get_sample_value("tocsin_recipient_versions_forgotten_total") or 0.0


async def test_a_version_of_eight_days_ago_becomes_a_tombstone_and_keeps_its_row(
    *,
    acme: httpx.AsyncClient,
    engine: AsyncEngine,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    clock: ManualClock,
) -> None:
    before = _forgotten()
    async with running(relay):
        await raised(engine, "ada", "bob")
        await published(directory)
        clock.advance(days=7, hours=23)
        assert await forget(engine, clock) == 0
        clock.advance(hours=2)
        assert await forget(engine, clock) == 2
        await published(directory)
        assert await state(kafka, topics.stops) == {}
        assert await forget(engine, clock) == 0, "once is enough"
        await raised(engine, "ada")
        await published(directory)
    assert {k: decode_stop(v).version for k, v in (await state(kafka, topics.stops)).items()} == {
        "acme/ada": 2
    }
    assert (await directory.version("ada"), await directory.version("bob")) == (2, 1)
    assert _forgotten() == before + 2


async def test_a_version_raised_meanwhile_stays(
    *,
    acme: httpx.AsyncClient,
    engine: AsyncEngine,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    clock: ManualClock,
) -> None:
    await raised(engine, "ada")
    await directory.changed()
    clock.advance(days=9)
    async with engine.begin() as db:
        await raise_versions(db, "acme", ["ada"])
        assert await forget(engine, clock) == 0, "its row is being changed"
    await directory.changed()
    assert await forget(engine, clock) == 1
    await raised(engine, "ada")
    async with running(relay):
        await published(directory)
    assert {k: decode_stop(v).version for k, v in (await state(kafka, topics.stops)).items()} == {
        "acme/ada": 3
    }


async def test_it_goes_in_portions_and_behind_what_is_urgent(
    acme: httpx.AsyncClient,
    engine: AsyncEngine,
    directory: Directory,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 3)
    await raised(engine, *(f"r{number}" for number in range(5)))
    clock.advance(days=9)
    assert await forget(engine, clock) == 0, "five versions wait to be published"
    await directory.changed()
    async with engine.begin() as db:
        await note_changed(db, "tenant", "acme")
    assert await forget(engine, clock) == 3
    await directory.changed()
    assert await forget(engine, clock) == 2
