"""What a batch of one lane writes: jobs, statuses, intents."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.attached_files import file

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord
from tocsin.contracts.ids import delivery_id, notification_id, recipient_key, status_id
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.recipients import Device
from tocsin.contracts.statuses import Target
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName
from tocsin.kafka import partition_for
from tocsin.router.policy import Preference, StoredRecipient

CHANGED_AT = datetime(2025, 12, 1, tzinfo=UTC)
NOTIFICATION = notification_id(
    tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="shipped"
)


async def test_one_event_for_one_person_is_decided_at_once(worker):
    record = worker.event()
    written = await worker.route(record)
    assert written.names() == ["routed", "routed", "routed"]
    assert written.intents() == []
    for channel, key in ((Channel.EMAIL, "email"), (Channel.SMS, "phone"), (Channel.PUSH, "d1")):
        (job,) = written.jobs(channel)
        assert job.delivery_id == delivery_id(
            notification=NOTIFICATION, channel=channel, step="1", address_key=key
        )
        assert (job.notification_id, job.recipient, job.recipient_version) == (NOTIFICATION, "ann", 7)
        assert (job.cause, job.origin, job.intent.origin) == (record.ref, record.ref, record.ref)
        assert job.template_version == 3
        assert job.expires_at == job.event_time + timedelta(hours=24)
    assert all(record.key == recipient_key("acme", "ann") for record in written.records)
    (decision,) = written.statuses()
    assert decision.event_time == decision.event_time.replace(microsecond=0)
    assert (decision.notification_id, decision.outcome, decision.again) == (NOTIFICATION, "decided", None)
    assert decision.status_id == status_id(subject=NOTIFICATION, status="decision", cause=record.ref)
    assert [step.rule for step in decision.rules] == ["expiry", "duplicate", "recipient", "category"]
    email, sms, push = decision.channels
    assert [step.rule for step in email.rules] == [
        "preference",
        "address",
        "sender",
        "template",
        "render",
        "size",
    ]
    assert [step.outcome for step in (email.rules[2], sms.rules[2])] == ["tenant's", "provider's"]
    assert [step.rule for step in push.rules] == ["preference", "address", "template", "render", "size"]
    (job,) = written.jobs(Channel.EMAIL)
    assert email.targets == [Target(job.delivery_id, "email", job.address_hash, "routed", None, None)]
    assert (email.locale, email.template_version) == (job.locale, job.template_version)
    assert {field for field in Rule if field not in {step.rule for step in decision.rules + email.rules}} == {
        Rule.CANCELLATION,
        Rule.SEND_TIME,
        Rule.THROTTLE,
        Rule.SUPPRESSION,
        Rule.QUOTA,
        Rule.STEP,
        Rule.CHANNEL,
    }


async def test_the_same_channel_in_two_steps_is_two_deliveries_in_two_wordings(worker, workflow):
    worker.publish(
        workflow(
            revision=2,
            steps=[
                Step(name="1", channels=(Channel.SMS,)),
                Step(name="once-more", channels=(Channel.SMS, Channel.EMAIL), template="short"),
            ],
        ),
        TemplateRecord(
            tenant="acme", workflow="shipped", channel=Channel.SMS, name="short", locale="en", revision=1,
            parts={"body": "Short"},
        ),
    )  # fmt: skip
    written = await worker.route(worker.event())
    assert [
        (job.step, job.template, job.template_version, job.private.content.body)
        for job in written.jobs(Channel.SMS)
    ] == [("1", "default", 3, "Sms Ann"), ("once-more", "short", 1, "Short")]
    assert [job.delivery_id for job in written.jobs(Channel.SMS)] == [
        delivery_id(notification=NOTIFICATION, channel="sms", step=step, address_key="phone")
        for step in ("1", "once-more")
    ]
    (decision,) = written.statuses()
    assert [
        (
            channel.step,
            channel.channel,
            channel.template,
            channel.template_version,
            channel.targets[0].outcome,
            channel.targets[0].reason,
        )
        for channel in decision.channels
    ] == [
        ("1", "sms", "default", 3, "routed", None),
        ("once-more", "sms", "short", 1, "routed", None),
        ("once-more", "email", None, None, "failed", Reason.TEMPLATE_MISSING),
    ]


async def test_a_mail_that_can_be_ended_carries_its_link(worker):
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert job.address_hash == worker.router._hashes.of(job.private.address)
    assert job.private.unsubscribe_url.startswith("https://notify.example.test/u/")
    assert job.private.content.text == job.private.unsubscribe_url
    worker.publish(CategoryRecord(tenant="acme", key="orders", default="required"))
    (job,) = (await worker.route(worker.event(id="e2"))).jobs(Channel.EMAIL)
    assert job.private.unsubscribe_url is None
    assert job.private.content.text == ""


@pytest.mark.parametrize("default", ["on", "required"])
@pytest.mark.parametrize("delivery_class", ["at_least_once", "at_most_once"])
async def test_a_job_says_what_its_category_asks_of_the_dispatcher(worker, default, delivery_class):
    category = CategoryRecord(tenant="acme", key="orders", default=default, delivery_class=delivery_class)
    worker.publish(category)
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert (job.required, job.delivery_class) == (default == "required", delivery_class)
    assert not job.resend_elsewhere
    worker.publish(msgspec.structs.replace(category, resend_elsewhere=True))
    (job,) = (await worker.route(worker.event(id="e2"))).jobs(Channel.EMAIL)
    assert job.resend_elsewhere


@pytest.mark.parametrize(
    ("said", "tried"),
    [
        ({}, []),
        ({"providers": {Channel.EMAIL: ["b", "a"]}}, ["b", "a"]),
        ({"provider_weights": {Channel.EMAIL: {"a": 1, "b": 1000}}}, ["b", "a"]),
        ({"provider_weights": {Channel.SMS: {"a": 1}}}, []),
    ],
)
async def test_a_job_names_the_tenants_providers_in_the_order_in_which_to_try_them(worker, said, tried):
    sender = SenderIdentity(address="shop@example.com")
    worker.publish(TenantRecord(tenant="acme", senders={Channel.EMAIL: sender}, **said))
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert job.providers == tried


async def test_a_rerun_writes_the_same_ids(worker):
    record = worker.event()
    first, again = await worker.route(record), await worker.route(record)
    assert [status.status_id for status in first.statuses()] == [
        status.status_id for status in again.statuses()
    ]
    assert [job.delivery_id for job in first.jobs(Channel.PUSH)] == [
        job.delivery_id for job in again.jobs(Channel.PUSH)
    ]


async def test_an_event_nobody_subscribes_to(worker):
    written = await worker.route(worker.event(type="com.shop.other"))
    (status,) = written.statuses()
    assert (status.status, status.event_id, status.final) == (StatusName.EVENT_UNMATCHED, "e1", True)
    assert written.dead() == []


async def test_what_is_switched_off_is_skipped_with_the_rule(worker):
    stored = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(
        stored, preferences=(Preference("sms", "orders", "*", False, "api", CHANGED_AT),)
    )
    written = await worker.route(worker.event())
    assert written.jobs(Channel.SMS) == []
    (skipped,) = written.targets("skipped")
    assert (skipped.target.rule, skipped.target.reason) == ("preference", "preference_off")
    assert skipped.channel.channel == Channel.SMS
    assert skipped.channel.rules[-1].input == {
        "decided_by": "sms/orders/*",
        "source": "api",
        "changed_at": "2025-12-01T00:00:00Z",
    }


async def test_a_person_nobody_knows(worker):
    written = await worker.route(worker.event(subject="bob"))
    (decision,) = written.decisions()
    assert (decision.outcome, decision.rule) == ("skipped", "recipient")
    assert (decision.reason, decision.again, decision.channels) == (Reason.RECIPIENT_UNKNOWN, None, [])


async def test_an_expired_event(worker):
    record = worker.event()
    worker.clock.advance(hours=25)
    assert (await worker.route(record)).names() == ["expired"]


async def test_a_recheck_decides_one_delivery_and_accepts_nothing_again(worker):
    (job,) = (await worker.route(worker.event())).jobs(Channel.PUSH)
    job.intent.delivery = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    key = recipient_key("acme", "ann")
    again = worker.record(worker.topics.intents(Lane.TRANSACTIONAL), key, encode(job.intent))
    written = await worker.route(again)
    assert written.names() == ["routed"]
    assert [decision.again for decision in written.decisions()] == ["recheck"]
    assert [job.delivery_id for job in written.jobs(Channel.PUSH)] == [job.delivery_id]
    worker.recipients.stored["acme", "ann"] = StoredRecipient(known=True, version=8)
    written = await worker.route(again)
    ((target, _, decision),) = written.targets()
    assert (target.outcome, target.delivery_id) == ("skipped", job.delivery_id)
    assert (decision.outcome, decision.again) == ("decided", "recheck")
    worker.recipients.stored.clear()
    ((target, _, decision),) = (await worker.route(again)).targets()
    assert target == Target(job.delivery_id, "d1", None, "skipped", "recipient", Reason.RECIPIENT_UNKNOWN)
    assert (decision.outcome, decision.again) == ("skipped", "recheck")
    worker.clock.advance(hours=25)
    ((target, _, _),) = (await worker.route(again)).targets()
    assert target == Target(job.delivery_id, "d1", None, "expired", "expiry", None)


async def test_one_oversized_job_harms_no_other(worker, workflow):
    worker.publish(workflow(data_schema=None))
    big = {"name": "\x00" * 40_000, "more": "\x00" * 1}
    # a body of control characters takes six bytes each in JSON: what fits as text need not fit as a job
    text = {"subject": "s", "text": "{{ data.name }}" * 12, "html": "{{ data.name }}" * 12}
    template = worker.directory.templates("acme", "shipped")[Channel.EMAIL, "default"]["en"]
    worker.publish(msgspec.structs.replace(template, parts=text, revision=4))
    records = [
        worker.event(id=f"e{n}", data=msgspec.Raw(encode(big if n == 250 else {"name": "Ann"})))
        for n in range(500)
    ]
    written = await worker.route(*records)
    assert len(written.jobs(Channel.EMAIL)) == 499
    assert len(written.jobs(Channel.SMS)) == 500
    ((target, channel, _),) = written.targets("failed")
    assert (target.rule, target.reason, channel.channel) == ("size", "too_large", Channel.EMAIL)
    assert (channel.rules[-1].rule, channel.rules[-1].outcome) == ("size", "too_large")
    assert "bytes" in channel.detail
    assert max(len(record.value) for record in written.records) < 2 * 1024 * 1024


async def test_a_template_that_fails_says_which_variable(worker):
    written = await worker.route(worker.event(data=msgspec.Raw(b"{}")))
    assert {delivery.target.reason for delivery in written.targets("failed")} == {Reason.TEMPLATE_FAILED}
    assert all("`data.name`" in delivery.channel.detail for delivery in written.targets())


@pytest.mark.parametrize("number", [10**29 + 1, -(10**29) - 1])
async def test_a_whole_number_of_30_digits_keeps_them_all(worker, number):
    template = worker.directory.templates("acme", "shipped")[Channel.SMS, "default"]["en"]
    worker.publish(msgspec.structs.replace(template, revision=4, parts={"body": "{{ data.n }}"}))
    written = await worker.route(worker.event(data=msgspec.Raw(b'{"name":"Ann","n":%d}' % number)))
    (job,) = written.jobs(Channel.SMS)
    assert job.private.content.body == str(number)


async def test_templates_see_the_link_of_a_request_and_jobs_carry_it(worker):
    template = worker.directory.templates("acme", "shipped")[Channel.SMS, "default"]["en"]
    parts = {"body": "{{ link }}{% if link is defined %}!{% endif %}"}
    worker.publish(msgspec.structs.replace(template, parts=parts, revision=4))
    link = "https://shop.example/orders/1?a=1&b=2"
    (job,) = (await worker.route(worker.request("ann", link=link))).jobs(Channel.SMS)
    assert (job.private.content.body, job.intent.private.link) == (f"{link}!", link)
    without = await worker.route(worker.request("ann", event_id="e2"))
    (failed,) = without.targets("failed")
    assert "`link`" in failed.channel.detail
    assert b'"link"' not in encode(without.jobs(Channel.EMAIL)[0])


async def test_actors_are_looked_up_too(worker):
    template = worker.directory.templates("acme", "shipped")[Channel.SMS, "default"]["en"]
    worker.publish(
        msgspec.structs.replace(template, parts={"body": "{{ actor.attributes.name }}"}, revision=4)
    )
    worker.recipients.stored["acme", "boss"] = StoredRecipient(known=True, attributes={"name": "Bo"})
    other = (partition_for(recipient_key("acme", "ann"), 4) + 1) % 4
    written = await worker.route(worker.request("ann", actor="boss", partition=other))
    (read,) = worker.as_read(written.of(worker.topics.intents(Lane.TRANSACTIONAL)))
    (job,) = (await worker.route(read)).jobs(Channel.SMS)
    assert job.private.content.body == "Bo"


async def test_a_test_event_stays_one(worker):
    written = await worker.route(worker.event(test=True))
    assert all(status.test for status in written.statuses())
    assert written.jobs(Channel.SMS)[0].test


async def test_jobs_of_mails_alone_carry_attachments(worker):
    files = [file(), file(name="請求書.pdf", inline="bill")]
    written = await worker.route(worker.request("ann", attachments=files))
    (mail,), (sms,) = written.jobs(Channel.EMAIL), written.jobs(Channel.SMS)
    assert [msgspec.to_builtins(each) for each in mail.intent.private.attachments] == files
    assert not sms.intent.private.attachments
    assert b"files.shop.example" not in b"".join(
        record.value or b"" for record in written.records if ".jobs.email." not in record.topic
    )


async def test_fifty_devices_are_one_decision(worker):
    devices = tuple(Device(id=f"device-{number}", token=f"t{number}") for number in range(50))
    stored = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(stored, devices=devices)
    written = await worker.route(worker.event())
    assert len(written.jobs(Channel.PUSH)) == 50
    (record,) = written.of(worker.topics.status(worker.lane))
    assert written.names() == ["routed"] * 52
    assert len(record.value) < 8 * 1024


async def test_a_job_says_which_app_its_device_is(worker):
    devices = (Device(id="d1", token="t1", app="shop"), Device(id="d2", token="t2", kind="apns"))
    stored = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(stored, devices=devices)
    jobs = (await worker.route(worker.event())).jobs(Channel.PUSH)
    assert [(job.target, job.app) for job in jobs] == [("fcm", "shop"), ("apns", None)]


async def test_targets_that_fit_no_decision_fail_as_a_whole(worker):
    """Nothing goes out of which nobody could read what became of it."""
    devices = tuple(Device(id="🦊" * 500 + str(number), token="t") for number in range(50))
    stored = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(stored, devices=devices)
    written = await worker.route(worker.event())
    assert written.jobs(Channel.PUSH) == []
    (decision,) = written.decisions()
    assert (decision.outcome, decision.rule, decision.reason) == ("failed", "size", "too_large")


async def test_a_channel_of_a_newer_release_fails_and_takes_nothing_from_the_others(
    worker, workflow, templates
):
    newer = msgspec.structs.replace(templates()[1], channel="pigeon")
    worker.publish(workflow(steps=[Step(name="1", channels=("pigeon", Channel.SMS))]), newer)
    written = await worker.route(worker.event())
    assert len(written.jobs(Channel.SMS)) == 1
    ((target, channel, _),) = written.targets("failed")
    assert (channel.channel, target.rule, target.reason) == ("pigeon", "channel", "channel_unknown")
