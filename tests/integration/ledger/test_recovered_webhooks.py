"""What an endpoint has missed is sent again: statuses that were told to it, each as the webhook that it was."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.integration.ledger.redrive_ground import LANE, Ground
from tests.integration.ledger.redrive_ground import ground as ground  # noqa: PLC0414 - a fixture
from tests.unit.router_worker.conftest import make_worker as make_worker  # noqa: PLC0414 - a fixture

from tocsin.contracts.codec import decode_job, encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Reason, StatusName
from tocsin.kafka import Admin, ConsumerRecord, ProducerRecord, TopicSpec
from tocsin.router.worker.subscriptions import job_of
from tocsin.testing.jobs import job_for

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PEOPLE = ("ann", "bob", "cat")


async def missed(
    ground: Ground, person: str, *endpoints: str, reason: Reason = Reason.ENDPOINT_DISABLED
) -> list[Job]:
    """A status that was told to these endpoints, none of which took it."""
    topic = ground.topics.status(LANE)
    bounced = status_of(
        StatusName.BOUNCED, job_for(Channel.EMAIL, recipient=person), lane=LANE, cause=f"receipt-{person}", at=datetime.now(UTC)
    )  # fmt: skip
    value = encode(bounced)
    (place,) = await ground.publisher.publish(
        [ProducerRecord(topic, recipient_key("acme", person), value)], timeout=30
    )
    jobs = [
        job_of(bounced, value, endpoint=endpoint, lane=LANE, stored_at=datetime.now(UTC), origin=place.ref)
        for endpoint in endpoints
    ]
    for number, job in enumerate(jobs):
        await ground.store(
            status_of(
                StatusName.FAILED,
                job,
                lane=LANE,
                cause=f"jobs/{person}/{number}",
                at=datetime.now(UTC),
                reason=reason,
            )
        )
    return jobs


@pytest.fixture
async def statuses(ground: Ground) -> None:
    admin = Admin(settings=ground.settings)
    await admin.open()
    spec = TopicSpec(
        name=ground.topics.status(LANE), partitions=2, cleanup="delete", max_message_bytes=2_097_152
    )
    await admin.apply(await admin.plan([spec], []))
    await admin.close()


async def routed(ground: Ground, worker: Any) -> list[Job]:
    """What the router makes of what the re-drives have written."""
    records = [
        ConsumerRecord(
            worker.topics.intents(LANE), each.partition, each.offset, each.timestamp_ms, each.key, each.value
        )
        for each in await ground.records()
    ]
    written = await worker.route(*records)
    return [
        decode_job(record.value or b"") for record in written.of(worker.topics.jobs(Channel.WEBHOOK, LANE))
    ]


async def test_what_one_endpoint_missed_comes_again_as_it_was_and_twice_is_harmless(
    ground: Ground, statuses: None, make_worker: Any
) -> None:
    told = [job for person in PEOPLE for job in await missed(ground, person, "shop", "other")]
    since = datetime(2026, 1, 1, tzinfo=UTC)
    first = await ground.begin(channel="webhook", address_key="shop", since=since)
    again = await ground.begin(channel="webhook", address_key="shop", since=since)
    async with ground.working():
        stands = await ground.finished(first, again)
    assert sum(each.written for each in stands) == 3
    jobs = await routed(ground, make_worker())
    expected = {job.delivery_id: bytes(job.private.told) for job in told if job.address_key == "shop"}
    assert Counter(job.delivery_id for job in jobs) == Counter(expected.keys())
    assert {job.delivery_id: bytes(job.private.told) for job in jobs} == expected
    assert all(job.settled for job in jobs)


async def test_only_what_has_failed_since_then(ground: Ground, statuses: None) -> None:
    await missed(ground, "ann", "shop")
    late = await ground.begin(channel="webhook", address_key="shop", since=datetime.now(UTC))
    async with ground.working():
        (stands,) = await ground.finished(late)
    assert stands.written == 0


async def test_another_tenant_recovers_nothing_of_it(ground: Ground, statuses: None) -> None:
    await missed(ground, "ann", "shop")
    other = await ground.begin(tenant="other", channel="webhook", address_key="shop")
    async with ground.working():
        (stands,) = await ground.finished(other)
    assert (stands.written, await ground.records()) == (0, [])
