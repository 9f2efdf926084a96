"""Whichever router publishes and whatever fails meanwhile: no change is lost, and none waits unseen."""

from functools import partial

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import TenantRecord
from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaSettings, Limits, TransactionalProducer
from tocsin.router.relay import Relay, hold_lock, session, watch_outbox
from tocsin.runtime import FunctionComponent, Health
from tocsin.testing.running import running
from tocsin.testing.until import until

from .conftest import Directory, published, state

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_another_router_takes_over_when_the_first_ends(
    acme: httpx.AsyncClient, engine: AsyncEngine, directory: Directory, kafka: KafkaSettings, topics: Topics
) -> None:
    first, second = (Relay(engine=engine, settings=kafka, health=Health(service="router")) for _ in range(2))
    async with running(second):
        async with running(first):
            await acme.put("/v1/tenant", json={"name": "one"})
            await published(directory)
        await acme.put("/v1/tenant", json={"name": "two"})
        await published(directory)
    (tenant,) = (await state(kafka, topics.directory)).values()
    assert decode_directory(tenant) == TenantRecord(tenant="acme", name="two")


async def test_a_fenced_relay_publishes_again_and_loses_nothing(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    async with running(relay):
        await acme.put("/v1/tenant", json={"name": "one"})
        await published(directory)
        usurper = TransactionalProducer(
            settings=kafka, transactional_id=Topics(kafka.topic_prefix).relay, group="test", limits=Limits({})
        )
        await usurper.open()
        await usurper.close()
        await acme.put("/v1/tenant", json={"name": "two"})
        await published(directory)
    (tenant,) = (await state(kafka, topics.directory)).values()
    assert decode_directory(tenant) == TenantRecord(tenant="acme", name="two")


async def test_a_lost_connection_loses_no_change(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    async with running(relay):
        await acme.put("/v1/tenant", json={"name": "one"})
        await published(directory)
        ended = await directory.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert ended == [(True,)]
        await acme.put("/v1/tenant", json={"name": "two"})
        await published(directory)
    (tenant,) = (await state(kafka, topics.directory)).values()
    assert decode_directory(tenant) == TenantRecord(tenant="acme", name="two")


async def test_a_relay_that_stands_still_does_not_keep_the_lock(
    *,
    acme: httpx.AsyncClient,
    engine: AsyncEngine,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
) -> None:
    async with session(engine) as frozen:  # as when its process is stopped, or its host lost, from here on
        assert await hold_lock(frozen)
        await acme.put("/v1/tenant", json={"name": "one"})
        async with running(relay):
            await published(directory)
    (tenant,) = (await state(kafka, topics.directory)).values()
    assert decode_directory(tenant) == TenantRecord(tenant="acme", name="one")


async def test_how_long_changes_wait_is_told_by_a_router_that_cannot_publish(
    acme: httpx.AsyncClient, engine: AsyncEngine, directory: Directory, relay: Relay, kafka: KafkaSettings
) -> None:
    await acme.put("/v1/tenant", json={"name": "one"})
    await directory.rows("UPDATE directory.outbox SET at = now() - interval '1 hour'")

    def waiting(of: str, change: str = "single") -> float | None:
        labels = {"component": "router", "change": change}
        return REGISTRY.get_sample_value(f"tocsin_directory_outbox_{of}", labels)

    async def an_hour() -> bool:
        return (waiting("age_seconds") or 0) >= 3600 and waiting("rows") == 1

    async def nothing() -> bool:
        return waiting("age_seconds") == waiting("rows") == 0

    watch = FunctionComponent(name="outbox watch", run=partial(watch_outbox, engine, "router"))
    async with session(engine) as other:
        assert await hold_lock(other)
        async with other.begin(), running(relay), running(watch):
            await other.exec_driver_sql("SELECT 1")
            await until(an_hour)
            assert waiting("age_seconds", "import") == waiting("rows", "import") == 0
    async with running(relay), running(watch):
        await until(nothing)
