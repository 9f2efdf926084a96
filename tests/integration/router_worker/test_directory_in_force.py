"""What was published before an event is what the event is decided by, also where the worker's copy of the directory is slow."""

import asyncio
from typing import Any

import pytest

from tocsin.contracts.directory import Step, TemplateRecord, WorkflowRecord
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import ConsumerRecord
from tocsin.kafka.tables.log_reader import LogReader
from tocsin.testing.until import until

ROUNDS = 15
SLOW = 0.2


@pytest.fixture
def slow_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that begins each of its reads a moment late: without waiting for it, every round would be lost."""
    read = LogReader.read

    async def late(self: LogReader, *, seconds: float) -> list[list[ConsumerRecord]]:
        await asyncio.sleep(SLOW)
        return await read(self, seconds=seconds)

    monkeypatch.setattr(LogReader, "read", late)


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
