"""Events in, jobs and statuses out, on a real broker and a real database."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import Decision, status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import ProducerRecord, partition_for
from tocsin.router import tables

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def other_partition(person: str) -> int:
    return (partition_for(recipient_key("acme", person), 4) + 1) % 4


async def test_one_event_becomes_three_jobs_with_their_story(site, until):
    worker = await site.worker()
    (ref,) = await site.publish(site.event("e1"))

    async def decided() -> bool:
        return len(await site.statuses()) == 1

    await until(decided)
    await worker.leave()
    (decision,) = await site.decisions()
    assert [target.outcome for target in await site.targets()] == ["routed"] * 3
    assert decision.cause == ref
    jobs = {channel: (await site.jobs(channel))[0] for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)}
    assert jobs[Channel.EMAIL].private.address == "p0@example.test"
    assert jobs[Channel.SMS].private.content.body == "Sms Ann"
    assert jobs[Channel.PUSH].private.address == "p0-t"
    assert {job.delivery_id for job in jobs.values()} == {
        target.delivery_id for target in await site.targets()
    }


async def test_an_event_with_another_key_takes_the_long_way_to_the_same_end(site, until):
    worker = await site.worker()
    await site.publish(site.event("e1", partition=other_partition("p0")))

    async def decided() -> bool:
        return len(await site.statuses()) == 2

    await until(decided)
    await worker.leave()
    accepted, decision = await site.statuses()
    assert (accepted.status, decision.outcome) == ("event_accepted", "decided")
    assert [target.outcome for target in await site.targets()] == ["routed"] * 3


async def test_the_same_id_at_once_in_two_partitions_and_two_lanes_is_one_notification(make_site, until):
    lanes = [Lane.TRANSACTIONAL, Lane.BULK]
    site = await make_site(*lanes)
    first, second = await site.worker(*lanes), await site.worker(*lanes)
    own, other = site.event("e1"), site.event("e1", partition=other_partition("p0"))
    bulk = site.event("e1", lane=Lane.BULK)
    await site.publish(own, other, bulk, own, bulk)

    async def decided() -> bool:
        return Counter(decision.outcome for decision in await decisions()) == {"duplicate": 4, "decided": 1}

    async def decisions() -> list[Decision]:
        return [decision for lane in lanes for decision in await site.decisions(lane)]

    await until(decided)
    await first.leave()
    await second.leave()
    assert len({decision.notification_id for decision in await decisions()}) == 1
    assert len({decision.status_id for decision in await decisions()}) == 5
    assert (
        sum(
            [
                len(await site.jobs(channel, lane))
                for lane in lanes
                for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
            ]
        )
        == 3
    )


async def test_what_is_switched_off_is_skipped_with_the_rule(site, until):
    async with site.database.engine.begin() as db:
        off = {
            "tenant": "acme",
            "recipient": "p0",
            "channel": "sms",
            "category": "orders",
            "enabled": False,
            "source": "one_click",
        }
        await db.execute(insert(tables.preferences), [off])
        await db.execute(
            insert(tables.recipient_versions), [{"tenant": "acme", "recipient": "p0", "version": 5}]
        )
    worker = await site.worker()
    await site.publish(site.event("e1"), site.event("e2", person="nobody"))

    async def decided() -> bool:
        return len(await site.statuses()) == 2

    await until(decided)
    await worker.leave()
    decisions = {decision.event_id: decision for decision in await site.decisions()}
    assert (decisions["e2"].outcome, decisions["e2"].reason) == ("skipped", Reason.RECIPIENT_UNKNOWN)
    (sms,) = [channel for channel in decisions["e1"].channels if channel.channel == Channel.SMS]
    assert [target.reason for target in sms.targets] == [Reason.PREFERENCE_OFF]
    seen = sms.rules[-1].input
    assert (seen["decided_by"], seen["source"]) == ("sms/orders/*", "one_click")
    assert datetime.fromisoformat(seen["changed_at"]).utcoffset() == timedelta()
    assert await site.jobs(Channel.SMS) == []
    assert (await site.jobs(Channel.EMAIL))[0].recipient_version == 5


async def test_one_oversized_job_among_500_harms_no_other(site, until):
    template = {"subject": "s", "text": "{{ data.name }}" * 12, "html": "{{ data.name }}" * 12}
    await site.publish_entities(
        TemplateRecord(
            tenant="acme", workflow="shipped", channel=Channel.EMAIL, locale="en", revision=2, parts=template
        )
    )
    worker = await site.worker()
    big = "\x00" * 16_000  # 2.3 MB in the two parts of a mail, and little work for the templates
    await site.publish(
        *(site.event(f"e{number}", name=big if number == 250 else "Ann") for number in range(500))
    )

    async def decided() -> bool:
        return len(await site.statuses()) == 500

    await until(decided)
    await worker.leave()
    assert Counter(target.outcome for target in await site.targets()) == {"routed": 1499, "failed": 1}
    assert len({job.delivery_id for job in await site.jobs(Channel.EMAIL)}) == 499
    assert len({job.delivery_id for job in await site.jobs(Channel.SMS)}) == 500


def email_template(parts: dict[str, str]):
    from tocsin.contracts.directory import TemplateRecord  # noqa: PLC0415 - used here only

    return [
        TemplateRecord(
            tenant="acme", workflow="shipped", channel=Channel.EMAIL, locale="en", revision=2, parts=parts
        )
    ]


async def test_poison_is_set_aside_and_the_next_event_goes_on(site, until):
    worker = await site.worker()
    key = recipient_key("acme", "p0")
    topic = site.topics.events(Lane.TRANSACTIONAL)
    await site.publish(ProducerRecord(topic, key, b"\xff not an event"), site.event("e1"))

    async def decided() -> bool:
        return len(await site.statuses()) == 1

    await until(decided)
    await worker.leave()
    (dead,) = await site.read(site.topics.dead("router"))
    assert dead.value == b"\xff not an event"
    assert dict(dead.headers)["tocsin_dead_reason"] == b"not_a_cloudevent"


async def test_a_device_that_is_gone_is_removed_once_and_stops_learn_of_it(site, until):
    worker = await site.worker()
    await site.publish(site.event("e1"))

    async def routed() -> bool:
        return len(await site.jobs(Channel.PUSH)) == 1

    await until(routed)
    (job,) = await site.jobs(Channel.PUSH)
    gone = status_of(
        StatusName.FAILED, job, lane=job.lane, cause="jobs/0/0", at=datetime.now(UTC) + timedelta(seconds=1),
        reason=Reason.DEVICE_GONE,
    )  # fmt: skip
    record = ProducerRecord(site.topics.status(Lane.TRANSACTIONAL), recipient_key("acme", "p0"), encode(gone))
    await site.publish(record, record)

    async def removed() -> bool:
        async with site.database.engine.connect() as db:
            rows = await db.execute(select(tables.devices).where(tables.devices.c.recipient == "p0"))
            return rows.first() is None

    await until(removed)
    await worker.leave()
    async with site.database.engine.connect() as db:
        versions = (await db.execute(select(tables.recipient_versions.c.version))).scalars().all()
        changed = (await db.execute(select(tables.outbox.c.kind, tables.outbox.c.key))).all()
    assert list(versions) == [1]
    assert [tuple(change) for change in changed] == [("recipient_version", ["p0"])]
