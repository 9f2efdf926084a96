"""What is refused or cannot be read becomes a dead letter and a status. Of events no number stops the lane."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.attached_files import file

from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.kafka import ConsumptionStopped


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
    assert (dead["tocsin_dead_event_source"], dead["tocsin_dead_event_id"]) == (
        status.event_source,
        status.event_id,
    )
    assert "4711" not in str(dead) + str(status)


@pytest.mark.parametrize(
    ("recipients", "fields", "reason"),
    [
        (["ann"], {"workflow": "nope"}, Reason.WORKFLOW_UNKNOWN),
        (["ann"], {"data": {"name": 1}}, Reason.DATA_INVALID),
        (["ann"], {"data": [1]}, Reason.DATA_INVALID),
        (["ann"], {"expires_at": "2026-01-01T00:00:00"}, Reason.DATA_INVALID),
        (["ann"], {"lane": "warp"}, Reason.DATA_INVALID),
        (["ann"], {"actor": ""}, Reason.RECIPIENT_ID_INVALID),
        (["ann"], {"link": "javascript:alert(1)"}, Reason.LINK_INVALID),
        (["ann"], {"attachments": [file(name="a/b.pdf")]}, Reason.ATTACHMENT_INVALID),
        (["ann"], {"attachments": [file(size=6 * 1024 * 1024)] * 2}, Reason.ATTACHMENT_INVALID),
        (["ann"], {"attachments": [file(content="4711")]}, Reason.FIELD_UNKNOWN),
        ([], {}, Reason.RECIPIENTS_INVALID),
        (["a\nb"], {}, Reason.RECIPIENT_ID_INVALID),
        (["ann", "a@example.test"], {}, Reason.RECIPIENT_IS_ADDRESS),
        ([{"id": "ann", "emial": "a@example.test"}], {}, Reason.FIELD_UNKNOWN),
        ([{"id": "ann", "email": "a\r\nBcc: b"}], {}, Reason.EMAIL_INVALID),
        ([{"email": "a@example.test"}], {}, Reason.DATA_INVALID),
    ],
)
async def test_a_direct_request_that_is_refused(worker, recipients, fields, reason):
    written = await worker.route(worker.request(*recipients, **fields))
    (status,) = written.statuses()
    assert (status.status, status.reason) == (StatusName.EVENT_REFUSED, reason)
    assert len(written.dead()) == 1


async def test_an_unknown_field_of_a_direct_request_is_explained(worker):
    """The place is that of the object, which a sentence must not call unknown: the names of fields may be a person's data."""
    written = await worker.route(worker.request("ann", dta={}))
    (status,) = written.statuses()
    assert status.detail.endswith("/data: has an unknown field. Did you mean `data`?")


@pytest.mark.parametrize(("seconds", "refused"), [(0, False), (299, False), (301, True)])
async def test_a_message_that_would_live_longer_than_six_days_is_refused(worker, seconds, refused):
    """A few minutes more are taken, for ingest judged by another clock."""
    record = worker.request("ann")
    stored = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    expires_at = (stored + timedelta(days=6, seconds=seconds)).isoformat()
    written = await worker.route(worker.request("ann", expires_at=expires_at))
    assert [dead["tocsin_dead_reason"] for dead in written.dead()] == ["lives_too_long"] * refused
    if refused:
        (status,) = written.statuses()
        assert (status.status, status.reason) == (StatusName.EVENT_REFUSED, Reason.LIVES_TOO_LONG)
        assert "/data/expires_at: " in status.detail


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


async def test_one_workflow_that_refuses_takes_nothing_from_the_other(worker, workflow, templates):
    strict = {"type": "object", "required": ["more"]}
    worker.publish(workflow(key="strict", data_schema=strict), *templates("strict"))
    written = await worker.route(worker.event())
    assert sorted(written.names()) == ["event_accepted", "event_refused"]
    assert [intent.workflow for intent in written.intents()] == ["shipped"]


async def test_a_refused_event_claims_nothing(worker):
    await worker.route(worker.event(data=msgspec.Raw(b'{"name":1}')))
    assert worker.claims.rows == {}
    assert (await worker.route(worker.event())).names() == ["routed"] * 3


async def test_a_few_invalid_records_are_set_aside_and_many_stop_the_lane(worker):
    topic = worker.topics.intents(Lane.TRANSACTIONAL)

    def invalid(count: int):
        return [worker.record(topic, b"k", b'{"kind":"other"}') for _ in range(count)]

    written = await worker.route(*invalid(9))
    assert [headers["tocsin_dead_reason"] for headers in written.dead()] == [Reason.RECORD_UNREADABLE] * 9
    with pytest.raises(ConsumptionStopped, match=r"10 of the last 10 .* group tocsin.router.transactional"):
        await worker.route(*invalid(1))


async def test_events_never_stop_the_lane(worker):
    topic = worker.topics.events(Lane.TRANSACTIONAL)
    written = await worker.route(*(worker.record(topic, b"k", b"[") for _ in range(30)))
    assert len(written.dead()) == 30


async def test_an_id_that_is_no_text_names_no_event(worker):
    """Another text in its place would be an event that nobody sent."""
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"e\xff"), ("ce_tenant", b"acme"), ("ce_source", b"s"), ("ce_type", b"t")]  # fmt: skip
    poison = worker.record(worker.topics.events(Lane.TRANSACTIONAL), b"k", b"{}", headers)
    written = await worker.route(poison)
    assert [dead["tocsin_dead_reason"] for dead in written.dead()] == ["attribute_invalid"]
    assert written.statuses() == []


@pytest.mark.parametrize("said", [b"yes", b"1", b"TRUE", b""])
async def test_an_event_that_does_not_say_clearly_whether_it_is_a_test_is_set_aside(worker, said: bytes):
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"e"), ("ce_tenant", b"acme"), ("ce_source", b"s"), ("ce_type", b"t"), ("ce_test", said)]  # fmt: skip
    written = await worker.route(
        worker.record(worker.topics.events(Lane.TRANSACTIONAL), b"k", b"{}", headers)
    )
    assert [dead["tocsin_dead_reason"] for dead in written.dead()] == ["attribute_invalid"]


@pytest.mark.parametrize(("tenant", "named"), [("acme", "acme"), ("nobody", ""), ("No Tenant", "")])
async def test_a_letter_names_a_tenant_only_if_there_is_one(worker, tenant: str, named: str):
    """Otherwise nobody could see it: whoever operates the installation looks at what names none."""
    headers = [
        ("ce_specversion", b"0.3"),
        ("ce_id", b"e"),
        ("ce_tenant", tenant.encode()),
        ("ce_source", b"/shop"),
    ]
    written = await worker.route(
        worker.record(worker.topics.events(Lane.TRANSACTIONAL), b"k", b"{}", headers)
    )
    (dead,) = written.dead()
    assert dead.get("tocsin_dead_tenant", "") == named
    assert (dead["tocsin_dead_event_source"], dead["tocsin_dead_event_id"]) == ("/shop", "e")
