"""What was published before an event is what the event is decided by, also where the worker's copy of the directory is slow."""

import asyncio
from typing import Any

import pytest

from tocsin.contracts.directory import Step, TemplateRecord, WorkflowRecord
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import ConsumerRecord
from tocsin.kafka.tables import replica
from tocsin.kafka.tables.log_reader import LogReader
from tocsin.router.worker import pipeline
from tocsin.testing.until import until

ROUNDS = 15
SLOW = 0.2


class SlowReader(LogReader):
    """Begins each of its reads a moment late: without waiting for it, every round would be lost."""

    async def read(self, *, seconds: float) -> list[list[ConsumerRecord]]:
        await asyncio.sleep(SLOW)
        return await super().read(seconds=seconds)


@pytest.fixture
def slow_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's copy is slow, and the worker waits for it however long a busy machine takes: in service it goes on after a
    second and counts the copy as late, which is not what is tried here."""
    monkeypatch.setattr(replica, "LogReader", SlowReader)
    monkeypatch.setattr(pipeline, "DIRECTORY_SECONDS", 60.0)


@pytest.mark.usefixtures("slow_copy")
async def test_an_event_right_after_its_workflow_and_template_is_never_lost(make_site: Any) -> None:
    site = await make_site()
    await site.worker()
    for number in range(ROUNDS):
        key = f"w{number}"
        workflow = WorkflowRecord(
            tenant="acme", key=key, revision=1, event_types=["com.shop.shipped"], category="orders",
            lane=Lane.TRANSACTIONAL, steps=[Step(name="1", channels=(Channel.SMS,))],
        )  # fmt: skip
        template = TemplateRecord(
            tenant="acme", workflow=key, channel=Channel.SMS, locale="en", revision=1, parts={"body": "Hi"}
        )
        await site.publish_entities(workflow, template)
        await site.publish(site.event(key))
    wanted = {(f"w{number}", f"w{number}") for number in range(ROUNDS)}

    async def all_are_there() -> bool:
        return wanted <= {(job.intent.event_id, job.workflow) for job in await site.jobs(Channel.SMS)}

    await until(all_are_there, seconds=60)
