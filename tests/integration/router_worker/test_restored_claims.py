"""The router's database is lost and restored from a dump, while Kafka has gone on: what may come twice, and what may not."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.integration.restoring import dump, fresh_postgres, restore

from tocsin.contracts.vocabulary import Channel
from tocsin.dev.postgres import run_sql
from tocsin.testing.until import until

from .conftest import PEOPLE

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def publish(site: Any, events: str) -> None:
    await site.publish(*(site.event(f"{events}-{person}", person=person) for person in PEOPLE))


async def made(site: Any, **times: int) -> None:
    """Wait until each event of these has its jobs so many times; more is an error."""

    async def all_are() -> bool:
        jobs = Counter([job.intent.event_id for job in await site.jobs(Channel.EMAIL)])
        expected = Counter({f"{events}-{person}": n for events, n in times.items() for person in PEOPLE})
        assert not jobs - expected, "a job was written twice"
        return jobs == expected

    await until(all_are)


async def decided(site: Any, decisions: int) -> None:
    async def all_are() -> bool:
        return len(await site.decisions()) == decisions

    await until(all_are)


async def test_only_what_is_repeated_and_was_claimed_after_the_dump_comes_twice(
    site: Any, tmp_path: Path
) -> None:
    people = len(PEOPLE)
    worker = await site.worker()
    await publish(site, "before")
    await made(site, before=1)
    dump(site.url, "directory", tmp_path / "directory.dump")
    await publish(site, "after")
    await made(site, before=1, after=1)
    await worker.leave()
    await publish(site, "meanwhile")
    with fresh_postgres(tmp_path / "fresh") as site.url:
        run_sql(site.url, "CREATE SCHEMA directory")
        restore(site.url, "directory", tmp_path / "directory.dump")
        worker = await site.worker()
        await made(site, before=1, after=1, meanwhile=1)
        await publish(site, "before")
        await publish(site, "meanwhile")
        await decided(site, 5 * people)
        await made(site, before=1, after=1, meanwhile=1)
        await publish(site, "after")
        await decided(site, 6 * people)
        await made(site, before=1, after=2, meanwhile=1)
        await worker.leave()
