"""What was published before an event is what the event is decided by, also when both are read at the same moment."""

from tocsin.contracts.directory import TemplateRecord, WorkflowRecord
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.until import until

ROUNDS = 15


async def test_an_event_right_after_its_workflow_and_template_is_never_lost(make_site):
    site = await make_site()
    await site.worker()
    for number in range(ROUNDS):
        key = f"w{number}"
        workflow = WorkflowRecord(
            tenant="acme", key=key, revision=1, event_types=["com.shop.shipped"], category="orders",
            lane=Lane.TRANSACTIONAL, channels=[Channel.SMS],
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
