"""The look-up for a batch: one statement, under both keys, of the tenants that suppress anything; and none for the others."""

from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Reason, StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import (
    ANY,
    Lesson,
    StoredRecipient,
    Suppression,
    Unusable,
    lesson_of,
    unusable,
)
from tocsin.router.secret_keys import SecretKey
from tocsin.router.worker.feedback import status_that_matters
from tocsin.testing.jobs import job_for

OLD, NEW = SecretKey("old", "o" * 32), SecretKey("h1", "h" * 32)
SINCE = datetime(2025, 12, 1, tzinfo=UTC)


def suppress(worker, channel: Channel, address: str, *, key: SecretKey = NEW) -> None:
    hashed = AddressHashes([key]).of(address)
    row = Suppression(hashed, ANY, "bounce", "provider", SINCE)
    worker.suppressions.rows["acme", channel.value, hashed] = [row]
    stored = worker.recipients.stored
    for who, facts in stored.items():
        channels = {*facts.suppressed_channels, channel.value}
        stored[who] = msgspec.structs.replace(facts, suppressed_channels=sorted(channels))


def held_back(written) -> list[tuple[str, str | None]]:
    return [(each.channel.channel, each.target.reason) for each in written.targets("skipped")]


async def test_nobody_looks_where_nothing_is_suppressed(worker):
    await worker.route(worker.event())
    assert worker.suppressions.queries == []


async def test_a_batch_asks_once_and_the_job_is_not_written(worker):
    suppress(worker, Channel.EMAIL, "ann@example.test")
    written = await worker.route(*(worker.event(id=f"e{number}") for number in range(3)))
    assert held_back(written) == [("email", "bounce")] * 3
    assert len(written.jobs(Channel.SMS)) == len(written.jobs(Channel.PUSH)) == 3
    # Nothing is suppressed by SMS and push: no hash is made for them.
    assert worker.suppressions.queries == [{("acme", "email", AddressHashes([NEW]).of("ann@example.test"))}]


async def test_every_channel_on_which_anything_is_suppressed_is_asked_at_once(worker):
    for channel, address in ((Channel.EMAIL, "x@example.test"), (Channel.SMS, "+1"), (Channel.PUSH, "x")):
        suppress(worker, channel, address)
    await worker.route(worker.event())
    hashes = AddressHashes([NEW])
    assert worker.suppressions.queries == [
        {
            ("acme", "email", hashes.of("ann@example.test")),
            ("acme", "sms", hashes.of("+4915112345678")),
            ("acme", "push", hashes.of("t1")),
        }
    ]


async def test_nobody_looks_where_the_workflow_has_none_of_the_suppressed_channels(worker):
    ann = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(ann, suppressed_channels=["fax"])
    await worker.route(worker.event())
    assert worker.suppressions.queries == []


async def test_what_the_former_key_hashed_is_found_while_both_are_there(make_worker):
    worker = make_worker(hash_keys=(NEW, OLD))
    suppress(worker, Channel.SMS, "+4915112345678", key=OLD)
    assert held_back(await worker.route(worker.event())) == [("sms", "bounce")]
    assert len(worker.suppressions.queries[0]) == 2


async def test_an_address_that_comes_with_the_message_is_looked_up(worker):
    suppress(worker, Channel.EMAIL, "other@example.test")
    worker.recipients.stored["acme", "bob"] = StoredRecipient(suppressed_channels=["email"])
    bob = {"id": "bob", "email": "Other@Example.test"}
    written = await worker.route(worker.request(bob, partition=0))
    (intent,) = worker.as_read(written.of(worker.topics.intents(worker.lane))) or (None,)
    if intent is not None:
        written = await worker.route(intent)
    assert ("email", "bounce") in held_back(written)


async def test_a_job_bears_the_hash_of_the_form_that_all_spellings_share(worker):
    ann = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(ann, email="Ann@example.test")
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert job.private.address == "Ann@example.test"
    assert job.address_hash == AddressHashes([NEW]).of("ann@example.test")


@pytest.mark.parametrize(
    ("channel", "status", "reason", "lesson"),
    [
        (Channel.EMAIL, StatusName.FAILED, Reason.ADDRESS_GONE, Lesson.DEAD),
        (Channel.SMS, StatusName.FAILED, Reason.RECIPIENT_STOPPED, Lesson.STOP),
        (Channel.EMAIL, "bounced", Reason.HARD_BOUNCE, Lesson.DEAD),
        (Channel.EMAIL, "bounced", Reason.SOFT_BOUNCE, Lesson.SOFT_BOUNCE),
        (Channel.SMS, "undelivered", Reason.SOFT_BOUNCE, Lesson.SOFT_BOUNCE),
        (Channel.EMAIL, "undelivered", Reason.PROVIDER_SUPPRESSED, Lesson.GIVEN_UP),
        (Channel.EMAIL, "bounced", Reason.BLOCKED, None),
        (Channel.EMAIL, "delivered", Reason.SOFT_BOUNCE, None),
        (Channel.EMAIL, StatusName.FAILED, Reason.RECIPIENT_REFUSED, None),
        (Channel.EMAIL, StatusName.FAILED, Reason.ADDRESS_INVALID, None),
        (Channel.PUSH, StatusName.FAILED, Reason.DEVICE_GONE, None),
        (Channel.EMAIL, StatusName.SENT, None, None),
        (Channel.EMAIL, StatusName.DEFERRED, Reason.RECIPIENT_REFUSED, None),
        (Channel.EMAIL, "complained", None, Lesson.COMPLAINT),
        (Channel.EMAIL, "unsubscribed", None, Lesson.UNSUBSCRIBE),
        (Channel.SMS, "unsubscribed", None, Lesson.STOP),
    ],
)
def test_what_a_status_teaches(channel: Channel, status: str, reason: Reason | None, lesson: Lesson | None):
    job = job_for(channel, address_hash="h1.AAAAAAAAAAAAAAAA")
    told = status_of(StatusName.SENT, job, lane=job.lane, cause="c", at=SINCE, reason=reason)
    told.status = str(status)
    assert lesson_of(told) is lesson
    record = ConsumerRecord("status", 0, 0, 0, recipient_key("acme", "ann"), encode(told))
    if lesson is not None:
        assert status_that_matters(record) == told
    assert unusable(told) is None
    told.test = True
    assert unusable(told) is Unusable.TEST
