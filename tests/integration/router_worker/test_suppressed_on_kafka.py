"""From a provider's word on `status` to a job that is decided again: the worker's consumers, its tables and a real broker."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.router import tables

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def suppressed(site) -> int:
    async with site.database.engine.connect() as db:
        return len((await db.execute(select(tables.suppressions.c.cause))).all())


async def test_a_hard_bounce_reaches_a_job_that_was_decided_before_and_a_worker_that_dies_loses_none(
    site, until
):
    """All of the site's people have one phone number: what the provider says of one message holds for all of them."""
    worker = await site.worker()
    await site.publish(site.event("before", person="p0"), site.event("other", person="p1"))

    async def decided() -> bool:
        return len(await site.jobs(Channel.SMS)) == 2

    await until(decided)
    jobs = {job.recipient: job for job in await site.jobs(Channel.SMS)}
    assert jobs["p0"].address_hash == jobs["p1"].address_hash
    await worker.leave()

    told = status_of(
        StatusName.FAILED, jobs["p0"], lane=Lane.TRANSACTIONAL, cause="jobs/0/0", at=datetime.now(UTC),
        reason=Reason.ADDRESS_GONE,
    )  # fmt: skip
    record = ProducerRecord(site.topics.status(Lane.TRANSACTIONAL), recipient_key("acme", "p0"), encode(told))
    await site.publish(record)
    dying = await site.worker()

    async def known() -> bool:
        return await suppressed(site) == 1

    await until(known)
    await dying.discard()  # rows are committed; whether its offset is, nobody knows

    async with site.database.engine.connect() as db:
        query = select(tables.recipient_versions.c.recipient, tables.recipient_versions.c.version)
        versions = {row.recipient: row.version for row in await db.execute(query)}
    assert versions == {f"p{number}": 1 for number in range(20)}

    # What a dispatcher gives back: its version is smaller than that of its recipient.
    again = replace(
        jobs["p1"].intent,
        delivery=DeliveryRef(channel=Channel.SMS, step="1", address_key="phone"),
        cause="jobs/0/1",
    )
    intents = site.topics.intents(Lane.TRANSACTIONAL)
    await site.publish(
        ProducerRecord(intents, recipient_key("acme", "p1"), encode(again)), site.event("after", person="p2")
    )
    survivor = await site.worker()

    async def held_back() -> bool:
        targets = await site.targets()
        return [target.reason for target in targets if target.outcome == "skipped"] == [Reason.BOUNCE] * 2

    await until(held_back)
    await survivor.leave()
    assert len(await site.jobs(Channel.SMS)) == 2
    assert await suppressed(site) == 1
    decisions = [decision for decision in await site.decisions() if decision.again == "recheck"]
    assert [decision.channels[0].rules[-1].rule for decision in decisions] == ["suppression"]
