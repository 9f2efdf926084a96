"""No single event, template or record costs a lane more than its share."""

import msgspec
import pytest
from msgspec.structs import replace

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import partition_for


def devices(*numbers: int) -> list[dict[str, str]]:
    return [{"id": f"d{number}", "token": f"t{number}"} for number in numbers]


@pytest.mark.parametrize("given", [devices(*range(51)), devices(1, 2, 1)], ids=["many", "twice"])
async def test_inline_devices_are_few_and_different_ones(worker, given):
    written = await worker.route(worker.request("bob", {"id": "ann", "devices": given}))
    assert written.names() == ["event_refused"]
    (letter,) = written.dead()
    assert letter["tocsin_dead_reason"] == "recipients_invalid"
    assert "/data/recipients" in letter["tocsin_dead_detail"]


async def test_inline_devices_of_a_business_event_are_few(worker, workflow):
    worker.publish(workflow(revision=2, recipients="data.who", data_schema=None))
    data = {"who": {"id": "ann", "devices": devices(*range(51))}}
    written = await worker.route(worker.event(data=msgspec.Raw(encode(data))))
    assert [letter["tocsin_dead_reason"] for letter in written.dead()] == ["recipients_invalid"]


async def test_a_push_job_carries_its_own_device_only(worker):
    where = partition_for(recipient_key("acme", "ann"), 4)
    given = {"id": "ann", "devices": devices(*range(50))}
    jobs = (await worker.route(worker.request(given, partition=where))).jobs(Channel.PUSH)
    assert len(jobs) == 50
    assert [[device.id for device in job.intent.inline.devices] for job in jobs] == [
        [job.address_key] for job in jobs
    ]
    assert (jobs[7].intent.inline.devices[0].token, jobs[7].address) == ("t7", "t7")
    again = worker.record(
        worker.topics.intents(Lane.TRANSACTIONAL), b"k", encode(sent_back(jobs[7])), partition=where
    )
    (job,) = (await worker.route(again)).jobs(Channel.PUSH)
    assert (job.delivery_id, job.address) == (jobs[7].delivery_id, "t7")


async def test_repeats_of_large_audiences_share_the_room_of_a_batch(worker):
    people = [f"r{number}" for number in range(600)]
    await worker.route(worker.request(*people))
    written = await worker.route(*(worker.request(*people) for _ in range(10)), worker.request("r1"))
    assert len(written.records) <= 1_000 + 10
    of_events = [status for status in written.statuses() if status.notification_id is None]
    assert [status.status for status in of_events] == ["duplicate"] * 9
    assert len(written.records) == 600 + 9 + 1
    assert written.statuses()[-1].recipient == "r1"


def sent_back(job: Job) -> Intent:
    ref = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    return replace(job.intent, delivery=ref)
