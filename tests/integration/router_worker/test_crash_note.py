"""A program that ends a worker, however it does, ends one worker: the next one refuses that revision and goes on."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Step, TemplateRecord, WorkflowRecord
from tocsin.contracts.events import Event
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import ProducerRecord
from tocsin.router.tables import refused_revisions

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

WORKER = Path(__file__).with_name("worker_process.py")
DYING = Path(__file__).parents[2] / "dying_programs"

Process = asyncio.subprocess.Process


@pytest.fixture
async def start_worker(site, tmp_path) -> AsyncIterator[Callable[[], Awaitable[Process]]]:
    started: list[Process] = []

    async def start() -> Process:
        with (tmp_path / f"{len(started)}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(WORKER), site.kafka.bootstrap_servers, site.kafka.topic_prefix, site.url,
                env=os.environ | {"PYTHONPATH": str(DYING), "CRASH_NOTES": str(tmp_path / "notes")}, stderr=log,
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


def workflow(key: str, revision: int = 1) -> WorkflowRecord:
    return WorkflowRecord(
        tenant="acme", key=key, revision=revision, event_types=[f"com.shop.{key}"], category="orders", lane=Lane.CRITICAL,
        steps=[Step(name="1", channels=(Channel.SMS,))], data_schema={"type": "object"},
    )  # fmt: skip


def event(site, event_id: str, key: str, name: str = "Ann") -> ProducerRecord:
    told = Event(
        tenant="acme", source="/shop", id=event_id, type=f"com.shop.{key}", subject="p0", data=msgspec.Raw(encode({"name": name})),
    )  # fmt: skip
    headers, value = write_kafka(told)
    return ProducerRecord(
        site.topics.events(Lane.TRANSACTIONAL), recipient_key("acme", "p0"), value, tuple(headers)
    )


@pytest.mark.parametrize("how", ["killed", "blocked"])
async def test_a_workflow_that_ends_a_worker_is_refused_by_the_next(site, start_worker, until, tmp_path, how):
    words = {"body": "{{ data.name }}"}
    await site.publish_entities(
        *(workflow(key) for key in ("hostile", "other")),
        *(
            TemplateRecord(
                tenant="acme", workflow=key, channel=Channel.SMS, locale="en", revision=1, parts=words
            )
            for key in ("hostile", "other")
        ),
    )
    await site.publish(
        event(site, "e1", "hostile", how), event(site, "e2", "hostile"), event(site, "e3", "other")
    )
    first = await start_worker()
    async with asyncio.timeout(120):
        assert await first.wait() != 0
    if how == "blocked":
        assert "sitecustomize.py" in (tmp_path / "0.log").read_text()  # where every thread was

    await start_worker()

    async def routed(*ids: str) -> bool:
        jobs = await site.jobs(Channel.SMS)
        return sorted(job.intent.event_id for job in jobs) == list(ids)

    await until(lambda: routed("e3"))
    dead = [dict(record.headers) for record in await site.read(site.topics.dead("router"))]
    assert sorted((letter["ce_id"], letter["tocsin_dead_reason"]) for letter in dead) == [
        (b"e1", b"workflow_unusable"),
        (b"e2", b"workflow_unusable"),
    ]
    async with site.database.engine.connect() as db:
        rows = (await db.execute(select(refused_revisions))).mappings().all()
    assert [(row["workflow"], row["part"], row["revision"]) for row in rows] == [("hostile", "", 1)]

    await site.publish_entities(workflow("hostile", revision=2))
    await site.publish(event(site, "e4", "hostile"))
    await until(lambda: routed("e3", "e4"))
