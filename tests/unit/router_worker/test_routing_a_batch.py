"""What a batch of one lane writes: jobs, statuses, intents, dead letters."""

from datetime import timedelta

import msgspec
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Category
from tocsin.contracts.ids import delivery_id, notification_id, recipient_key, status_id
from tocsin.contracts.intents import Continuation, DeliveryRef, Intent
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName
from tocsin.kafka import ConsumptionStopped, partition_for
from tocsin.router.policy import Preference, StoredRecipient

NOTIFICATION = notification_id(
    tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="shipped"
)


async def test_one_event_for_one_person_is_decided_at_once(worker):
    record = worker.event()
    written = await worker.route(record)
    assert written.names() == ["accepted", "routed", "routed", "routed"]
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
    assert all(one.key == recipient_key("acme", "ann") for one in written.records)
    accepted, routed = written.statuses()[:2]
    assert accepted.at == accepted.at.replace(microsecond=0)
    assert (accepted.notification_id, accepted.delivery_id, accepted.final) == (NOTIFICATION, None, False)
    assert routed.status_id == status_id(subject=routed.delivery_id, status="routed", cause=record.ref)
    assert [one.rule for one in routed.decision.rules] == [rule.value for rule in Rule]


async def test_a_mail_that_can_be_ended_carries_its_link(worker):
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert job.unsubscribe_url.startswith("https://notify.example.test/u/")
    assert job.content.text == job.unsubscribe_url
    worker.publish(Category(tenant="acme", key="orders", default="required"))
    (job,) = (await worker.route(worker.event(id="e2"))).jobs(Channel.EMAIL)
    assert job.unsubscribe_url is None
    assert job.content.text == ""


async def test_a_rerun_writes_the_same_ids(worker):
    record = worker.event()
    first, again = await worker.route(record), await worker.route(record)
    assert [one.status_id for one in first.statuses()] == [one.status_id for one in again.statuses()]
    assert [job.delivery_id for job in first.jobs(Channel.PUSH)] == [
        job.delivery_id for job in again.jobs(Channel.PUSH)
    ]


async def test_an_event_in_another_partition_is_fanned_out_and_then_decided(worker):
    own = partition_for(recipient_key("acme", "ann"), 4)
    record = worker.event(partition=(own + 1) % 4)
    written = await worker.route(record)
    assert written.names() == ["event_accepted"]
    (outgoing,) = written.of(worker.topics.intents(Lane.TRANSACTIONAL))
    assert outgoing.key == recipient_key("acme", "ann")
    (read,) = worker.as_read([outgoing])
    decided = await worker.route(read)
    assert decided.names() == ["accepted", "routed", "routed", "routed"]
    (job,) = decided.jobs(Channel.SMS)
    assert (job.origin, job.cause, job.notification_id) == (record.ref, read.ref, NOTIFICATION)


async def test_a_slower_lane_gets_the_intents(worker, workflow):
    worker.publish(workflow(lane=Lane.BULK))
    written = await worker.route(worker.event())
    (intent,) = written.intents(Lane.BULK)
    assert intent.lane is Lane.BULK
    assert written.names() == ["event_accepted"]


async def test_a_producer_may_ask_for_a_slower_lane_but_not_a_faster(worker):
    slower = await worker.route(worker.request("ann", lane="bulk"))
    assert len(slower.intents(Lane.BULK)) == 1
    faster = await worker.route(worker.request("ann", "bob", lane="critical"))
    assert faster.intents(Lane.CRITICAL) == []


async def test_two_workflows_are_fanned_out(worker, workflow, templates):
    worker.publish(workflow(key="also", channels=[Channel.SMS]), *templates("also"))
    written = await worker.route(worker.event())
    assert [intent.workflow for intent in written.intents()] == ["also", "shipped"]
    assert len({intent.notification_id for intent in written.intents()}) == 2


async def test_the_same_id_is_a_duplicate_wherever_it_lies(worker):
    records = [
        worker.event(),
        worker.event(),
        worker.event(partition=0),
        worker.event(partition=1),
        worker.event(),
    ]
    written = await worker.route(*records[:3])
    later = await worker.route(*records[3:])
    assert written.names() == ["accepted", "routed", "routed", "routed", "duplicate", "duplicate"]
    assert later.names() == ["duplicate", "duplicate"]
    duplicates = [one for one in written.statuses() + later.statuses() if one.status == "duplicate"]
    assert {one.notification_id for one in duplicates} == {NOTIFICATION}
    assert len({one.status_id for one in duplicates}) == 4
    assert {one.cause for one in duplicates} == {record.ref for record in records[1:]}
    rule = duplicates[0].decision.rules[0]
    assert (rule.rule, rule.outcome, rule.input) == ("duplicate", "duplicate", {"belongs_to": records[0].ref})


async def test_a_refused_event_claims_nothing(worker):
    await worker.route(worker.event(data=msgspec.Raw(b'{"name":1}')))
    assert worker.claims.rows == {}
    assert (await worker.route(worker.event())).names()[0] == "accepted"


async def test_one_query_a_batch(worker):
    await worker.route(*(worker.event(id=f"e{number}") for number in range(20)))
    assert worker.recipients.queries == [{("acme", "ann")}]


async def test_a_duplicate_of_very_many_is_one_status(worker):
    people = [f"r{number}" for number in range(1001)]
    await worker.route(worker.request(*people))
    written = await worker.route(worker.request(*people))
    (status,) = written.statuses()
    assert (status.status, status.notification_id, status.event_id) == (StatusName.DUPLICATE, None, "e1")


async def test_an_audience_is_fanned_out_in_chunks(worker):
    people = [f"r{number}" for number in range(2500)]
    written = await worker.route(worker.request(*people, partition=0))
    seen: list[str] = []
    rounds = 0
    while True:
        rounds += 1
        *intents, last = written.intents()
        assert len(intents) <= 1000
        seen += [intent.recipient for intent in intents]
        if isinstance(last, Intent):
            seen.append(last.recipient)
            break
        assert isinstance(last, Continuation)
        assert last.cursor == len(seen)
        outgoing = written.of(worker.topics.intents(Lane.TRANSACTIONAL))[-1]
        assert outgoing.key == b"acme/e1"
        written = await worker.route(*worker.as_read([outgoing]))
        assert written.names() == []
    assert seen == people
    assert rounds == 3


async def test_chunks_are_bounded_in_bytes_and_shared_by_a_batch(worker):
    name = "x" * 200_000
    records = [worker.request(*(f"r{n}" for n in range(40)), data={"name": name}) for _ in range(1)]
    written = await worker.route(*records)
    size = sum(len(one.value) for one in written.of(worker.topics.intents(Lane.TRANSACTIONAL)))
    assert size < 4 * 1024 * 1024 + 2 * len(name) + 10_000
    assert isinstance(written.intents()[-1], Continuation)
    many = [worker.event(id=f"m{n}", partition=0, key=b"x", type="com.shop.shipped") for n in range(3)]
    wide = [worker.request(*(f"w{m}-{n}" for n in range(600))) for m in range(1)]
    assert len((await worker.route(*many, *wide)).intents()) <= 1003


@pytest.mark.parametrize(
    ("expression", "goes_on"),
    [("data.people", True), ("data.others", False), ("reverse(data.people)", False)],
)
async def test_a_fan_out_goes_on_in_the_list_in_which_it_began_or_not_at_all(
    worker, workflow, expression, goes_on
):
    worker.publish(workflow(recipients="data.people", data_schema=None))
    people = [f"r{n}" for n in range(1500)]
    data = msgspec.Raw(encode({"people": people, "others": people[1:]}))
    event = worker.event(data=data, partition=0, key=b"x")
    begun = await worker.route(event)
    cursor = begun.intents()[-1].cursor
    worker.publish(workflow(revision=2, recipients=expression, data_schema=None))
    rest = await worker.route(*worker.as_read(begun.of(worker.topics.intents(Lane.TRANSACTIONAL))[-1:]))
    found = [intent.recipient for intent in rest.intents()[:100]]
    assert found == (people[cursor : cursor + 100] if goes_on else [])
    assert rest.names() == ([] if goes_on else ["event_refused"])
    assert [letter["tocsin_dead_reason"] for letter in rest.dead()] == (
        [] if goes_on else ["recipients_invalid"]
    )
    if not goes_on:
        (status,) = rest.statuses()
        assert "revision 1 to 2" in status.detail
        assert f"the first {cursor}" in status.detail


async def test_a_continuation_of_the_last_release_goes_on(worker):
    written = await worker.route(worker.request(*(f"r{n}" for n in range(1500)), partition=0))
    rest = msgspec.structs.replace(written.intents()[-1], revision=None, recipients_sha256=None)
    topic = worker.topics.intents(Lane.TRANSACTIONAL)
    assert len((await worker.route(worker.record(topic, b"k", encode(rest)))).intents()) == 500


async def test_a_continuation_whose_workflow_is_gone_is_refused_in_the_open(worker, workflow):
    worker.publish(workflow(recipients="data.people", data_schema=None))
    data = msgspec.Raw(encode({"name": "Ann", "people": [f"r{n}" for n in range(1001)]}))
    written = await worker.route(worker.event(data=data))
    outgoing = written.of(worker.topics.intents(Lane.TRANSACTIONAL))[-1]
    worker.withdraw(workflow())
    rest = await worker.route(*worker.as_read([outgoing]))
    assert rest.names() == ["event_refused"]
    assert rest.dead()[0]["tocsin_dead_reason"] == Reason.WORKFLOW_UNKNOWN


@pytest.mark.parametrize(
    ("expression", "data", "recipients"),
    [
        ("data.who", {"who": "ann"}, ["ann"]),
        ("data.who", {"who": ["ann", "bob", "ann"]}, ["ann", "bob"]),
        ("data.who[].id", {"who": [{"id": "ann"}, {"id": "bob"}]}, ["ann", "bob"]),
        ("data.who", {"who": {"id": "carl", "email": "carl@example.test"}}, ["carl"]),
        ("[subject, source]", {}, ["ann", "/shop"]),
    ],
)
async def test_recipients_found_by_expression(worker, workflow, expression, data, recipients):
    worker.publish(workflow(recipients=expression, data_schema=None))
    written = await worker.route(worker.event(data=msgspec.Raw(encode(data)), partition=0, key=b"x"))
    found = [intent.recipient for intent in written.intents()] or [written.statuses()[0].recipient]
    assert found == recipients


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": msgspec.Raw(b'{"name":4711}')}, Reason.DATA_INVALID),
        ({"subject": None, "key": b"x"}, Reason.RECIPIENTS_INVALID),
        ({"data": msgspec.Raw(b"[" * 70 + b"]" * 70)}, Reason.DATA_INVALID),
    ],
)
async def test_a_business_event_that_is_refused(worker, changes, reason):
    written = await worker.route(worker.event(**changes))
    (status,) = written.statuses()
    assert (status.status, status.reason, status.workflow) == (StatusName.EVENT_REFUSED, reason, "shipped")
    (dead,) = written.dead()
    assert (dead["tocsin_dead_reason"], dead["tocsin_dead_tenant"]) == (reason, "acme")
    assert "4711" not in str(dead) + str(status)


@pytest.mark.parametrize(
    ("recipients", "fields", "reason"),
    [
        (["ann"], {"workflow": "nope"}, Reason.WORKFLOW_UNKNOWN),
        (["ann"], {"data": {"name": 1}}, Reason.DATA_INVALID),
        (["ann"], {"data": [1]}, Reason.DATA_INVALID),
        (["ann"], {"expires_at": "2026-01-01T00:00:00"}, Reason.DATA_INVALID),
        (["ann"], {"lane": "warp"}, Reason.DATA_INVALID),
        (["ann"], {"actor": ""}, Reason.DATA_INVALID),
        ([], {}, Reason.RECIPIENTS_INVALID),
        (["a\nb"], {}, Reason.RECIPIENTS_INVALID),
        ([{"id": "ann", "email": "a\r\nBcc: b"}], {}, Reason.RECIPIENTS_INVALID),
        ([{"email": "a@example.test"}], {}, Reason.DATA_INVALID),
    ],
)
async def test_a_direct_request_that_is_refused(worker, recipients, fields, reason):
    written = await worker.route(worker.request(*recipients, **fields))
    (status,) = written.statuses()
    assert (status.status, status.reason) == (StatusName.EVENT_REFUSED, reason)
    assert len(written.dead()) == 1


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        ([], b"hello", Reason.NOT_A_CLOUDEVENT),
        ([], None, Reason.NOT_A_CLOUDEVENT),
        ([("content-type", b"application/cloudevents+json")], b"{", Reason.NOT_A_CLOUDEVENT),
        (
            [("content-type", b"application/cloudevents+json")],
            b'{"data":' + b"[" * 100_000,
            Reason.DATA_INVALID,
        ),
        (
            [("content-type", b"application/cloudevents+json")],
            b'{"specversion":"1.0","id":"a","source":"s","type":"t"}',
            Reason.TENANT_MISSING,
        ),
        (
            [("content-type", b"application/cloudevents+json")],
            b'{"specversion":"1.0","id":"a","source":"s","type":"t","tenant":"nobody"}',
            Reason.TENANT_UNKNOWN,
        ),
        (
            [("ce_specversion", b"1.0"), ("ce_id", b"a"), ("ce_tenant", b"acme")],
            b"\xff\xfe",
            Reason.DATA_INVALID,
        ),
        (
            [
                ("ce_specversion", b"1.0"),
                ("ce_id", b"a"),
                ("ce_tenant", b"acme"),
                ("ce_source", b"s"),
                ("ce_type", b"t"),
            ],
            b"[" * 100_000,
            Reason.DATA_INVALID,
        ),
    ],
)
async def test_whatever_lies_on_events_never_stops_the_lane(worker, headers, value, reason):
    poison = worker.record(worker.topics.events(Lane.TRANSACTIONAL), b"k", value, headers)
    written = await worker.route(poison, worker.event())
    (dead,) = written.dead()
    assert dead["tocsin_dead_reason"] == reason
    assert written.of(worker.topics.dead("router"))[0].value == value
    assert "routed" in written.names()


async def test_the_default_tenant_stands_in(make_worker):
    worker = make_worker(default_tenant="acme")
    value = encode(
        {
            "specversion": "1.0",
            "id": "a",
            "source": "s",
            "type": "com.shop.shipped",
            "subject": "ann",
            "data": {"name": "A"},
        }
    )
    headers = [("content-type", b"application/cloudevents+json")]
    key = recipient_key("acme", "ann")
    written = await worker.route(worker.record(worker.topics.events(Lane.TRANSACTIONAL), key, value, headers))
    assert written.names()[0] == "accepted"


async def test_an_event_nobody_subscribes_to(worker):
    written = await worker.route(worker.event(type="com.shop.other"))
    (status,) = written.statuses()
    assert (status.status, status.event_id, status.final) == (StatusName.EVENT_UNMATCHED, "e1", True)
    assert written.dead() == []


async def test_one_workflow_that_refuses_takes_nothing_from_the_other(worker, workflow, templates):
    strict = {"type": "object", "required": ["more"]}
    worker.publish(workflow(key="strict", data_schema=strict), *templates("strict"))
    written = await worker.route(worker.event())
    assert sorted(written.names()) == ["event_accepted", "event_refused"]
    assert [intent.workflow for intent in written.intents()] == ["shipped"]


async def test_what_is_switched_off_is_skipped_with_the_rule(worker):
    stored = worker.recipients.stored["acme", "ann"]
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(
        stored, preferences=(Preference("sms", "orders", "*", False),)
    )
    written = await worker.route(worker.event())
    assert written.jobs(Channel.SMS) == []
    (skipped,) = [one for one in written.statuses() if one.status == "skipped"]
    assert (skipped.rule, skipped.reason, skipped.channel) == ("preference", "preference_off", Channel.SMS)
    assert skipped.decision.rules[-1].input == {"decided_by": "sms/orders/*"}


async def test_a_person_nobody_knows(worker):
    written = await worker.route(worker.event(subject="bob"))
    assert written.names() == ["accepted", "skipped"]
    assert written.statuses()[1].reason == Reason.RECIPIENT_UNKNOWN
    assert written.statuses()[1].delivery_id is None


async def test_an_expired_event(worker):
    record = worker.event()
    worker.clock.advance(hours=25)
    assert (await worker.route(record)).names() == ["accepted", "expired"]


async def test_a_recheck_decides_one_delivery_and_accepts_nothing_again(worker):
    (job,) = (await worker.route(worker.event())).jobs(Channel.PUSH)
    job.intent.delivery = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    key = recipient_key("acme", "ann")
    again = worker.record(worker.topics.intents(Lane.TRANSACTIONAL), key, encode(job.intent))
    written = await worker.route(again)
    assert written.names() == ["routed"]
    assert [one.delivery_id for one in written.jobs(Channel.PUSH)] == [job.delivery_id]
    worker.recipients.stored["acme", "ann"] = StoredRecipient(known=True, version=8)
    written = await worker.route(again)
    (status,) = written.statuses()
    assert (status.status, status.delivery_id) == (StatusName.SKIPPED, job.delivery_id)
    worker.recipients.stored.clear()
    (status,) = (await worker.route(again)).statuses()
    assert (status.reason, status.delivery_id) == (Reason.RECIPIENT_UNKNOWN, job.delivery_id)


async def test_one_oversized_job_harms_no_other(worker, workflow):
    worker.publish(workflow(data_schema=None))
    big = {"name": "\x00" * 40_000, "more": "\x00" * 1}
    # a body of control characters takes six bytes each in JSON: what fits as text need not fit as a job
    text = {"subject": "s", "text": "{{ data.name }}" * 12, "html": "{{ data.name }}" * 12}
    template = worker.directory.templates("acme", "shipped")[Channel.EMAIL]["en"]
    worker.publish(msgspec.structs.replace(template, parts=text, revision=4))
    records = [
        worker.event(id=f"e{n}", data=msgspec.Raw(encode(big if n == 250 else {"name": "Ann"})))
        for n in range(500)
    ]
    written = await worker.route(*records)
    assert len(written.jobs(Channel.EMAIL)) == 499
    assert len(written.jobs(Channel.SMS)) == 500
    (failed,) = [one for one in written.statuses() if one.status == "failed"]
    assert (failed.rule, failed.reason, failed.channel) == ("size", "too_large", Channel.EMAIL)
    assert failed.decision.rules[-1].rule == "size"
    assert max(len(one.value) for one in written.records) < 2 * 1024 * 1024


async def test_a_template_that_fails_is_skipped_and_says_which_variable(worker):
    written = await worker.route(worker.event(data=msgspec.Raw(b"{}")))
    skipped = [one for one in written.statuses() if one.status == "skipped"]
    assert {one.reason for one in skipped} == {Reason.TEMPLATE_FAILED}
    assert all("`data.name`" in one.detail for one in skipped)


async def test_actors_are_looked_up_too(worker):
    template = worker.directory.templates("acme", "shipped")[Channel.SMS]["en"]
    worker.publish(
        msgspec.structs.replace(template, parts={"body": "{{ actor.attributes.name }}"}, revision=4)
    )
    worker.recipients.stored["acme", "boss"] = StoredRecipient(known=True, attributes={"name": "Bo"})
    other = (partition_for(recipient_key("acme", "ann"), 4) + 1) % 4
    written = await worker.route(worker.request("ann", actor="boss", partition=other))
    (read,) = worker.as_read(written.of(worker.topics.intents(Lane.TRANSACTIONAL)))
    (job,) = (await worker.route(read)).jobs(Channel.SMS)
    assert job.content.body == "Bo"


async def test_a_test_event_stays_one(worker):
    written = await worker.route(worker.event(test=True))
    assert all(one.test for one in written.statuses())
    assert written.jobs(Channel.SMS)[0].test


SECRET = "anna@shop.example"
SECRETS = (b"ann@example", b"+49151", b'"t1"', b"Sms Ann", SECRET.encode())


async def test_no_address_or_body_in_any_status(worker):
    """Neither what is known of the recipient, nor what a producer typed where something else belongs."""
    await worker.route(worker.event())
    written = await worker.route(
        worker.event(), worker.event(id="e2"), worker.event(id="e3", data=msgspec.Raw(b"{}"))
    )
    refused = await worker.route(
        worker.event(id="r1", data=msgspec.Raw(encode({"name": 1, SECRET: SECRET}))),
        worker.request("ann", lane=SECRET),
        worker.request("ann", workflow=SECRET),
        worker.request({"id": SECRET * 20}),
        worker.request("ann", expires_at=SECRET),
        worker.event(tenant=SECRET),
        worker.event(id="r2", traceparent=SECRET),
        worker.event(id="r2", traceparent=SECRET),
        worker.event(id="r3", type="com.shop.unheard", traceparent=SECRET),
    )
    for one in (written, refused):
        _none_of(SECRETS, one, worker)
    assert set(refused.names()) == {"event_refused", "accepted", "routed", "duplicate", "event_unmatched"}


async def test_nothing_of_what_a_producer_says_of_people_in_any_status(worker):
    inline = {"id": "x", "email": SECRET, "phone": "+4915100000000", "locale": SECRET, "time_zone": SECRET}
    written = await worker.route(worker.request(inline, "ann", actor={"id": "y", "email": SECRET}))
    assert written.names() == ["event_accepted"]
    decided = await worker.route(*worker.as_read(written.of(worker.topics.intents(worker.lane))))
    assert decided.names().count("routed") == 5
    for one in (written, decided):
        _none_of(SECRETS, one, worker)


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": False},
        {"unevaluatedProperties": False},
        {"propertyNames": {"maxLength": 2}},
        {"additionalProperties": {"type": "integer"}},
        {"properties": {"name": {"enum": ["a"]}}},
        {"properties": {"name": {"pattern": "^a$"}}},
    ],
)
async def test_what_a_schema_refuses_is_not_repeated(worker, workflow, schema):
    worker.publish(workflow(data_schema=schema))
    written = await worker.route(worker.event(data=msgspec.Raw(encode({"name": SECRET, SECRET: SECRET}))))
    assert written.names() == ["event_refused"]
    _none_of(SECRETS, written, worker)


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({"content-type": SECRET}, b"{}"),
        ({}, b"[" + SECRET.encode()),
        ({}, b'{"name":"' + SECRET.encode() + b'\xff"}'),
        ({"ce_time": SECRET}, b"{}"),
        ({"ce_specversion": SECRET}, b"{}"),
        ({"ce_type": SECRET * 100}, b"{}"),
        ({"ce_id": SECRET + "\x00"}, b"{}"),
        ({"ce_tenant": SECRET}, b"{}"),
    ],
)
async def test_no_word_of_a_malformed_event_in_any_status(worker, headers, value):
    known = {"ce_specversion": "1.0", "ce_id": "m1", "ce_source": "/s", "ce_type": "t", "ce_tenant": "acme"}
    pairs = [(name, text.encode()) for name, text in (known | headers).items()]
    written = await worker.route(worker.record(worker.topics.events(worker.lane), b"k", value, pairs))
    assert len(written.dead()) == 1
    _none_of(SECRETS, written, worker)


def _none_of(secrets, written, worker):
    """None stands in a status, or in what is said beside a dead letter."""
    text = b"".join(one.value for one in written.of(worker.topics.status(worker.lane)))
    text += "".join(value for letter in written.dead() for value in letter.values()).encode()
    for secret in secrets:
        assert secret not in text, text


async def test_a_few_invalid_records_are_set_aside_and_many_stop_the_lane(worker):
    topic = worker.topics.intents(Lane.TRANSACTIONAL)

    def invalid(count: int):
        return [worker.record(topic, b"k", b'{"kind":"other"}') for _ in range(count)]

    written = await worker.route(*invalid(9))
    assert [one["tocsin_dead_reason"] for one in written.dead()] == [Reason.RECORD_UNREADABLE] * 9
    with pytest.raises(ConsumptionStopped, match=r"10 of the last 10 .* group tocsin.router.transactional"):
        await worker.route(*invalid(1))


async def test_events_never_stop_the_lane(worker):
    topic = worker.topics.events(Lane.TRANSACTIONAL)
    written = await worker.route(*(worker.record(topic, b"k", b"[") for _ in range(30)))
    assert len(written.dead()) == 30
