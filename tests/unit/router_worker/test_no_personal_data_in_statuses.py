"""No status, and no header of a dead letter, repeats an address, a body or a producer's text."""

import msgspec
import pytest

from tocsin.contracts.codec import encode

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
    for part in (written, refused):
        _none_of(SECRETS, part, worker)
    assert set(refused.names()) == {"event_refused", "routed", "duplicate", "event_unmatched"}


async def test_nothing_of_what_a_producer_says_of_people_in_any_status(worker):
    inline = {
        "id": "x",
        "email": SECRET,
        "phone": "+4915100000000",
        "locale": "de-annshop",
        "time_zone": "Asia/Riyadh",
    }
    written = await worker.route(worker.request(inline, "ann", actor={"id": "y", "email": SECRET}))
    assert written.names() == ["event_accepted"]
    decided = await worker.route(*worker.as_read(written.of(worker.topics.intents(worker.lane))))
    assert decided.names().count("routed") == 5
    for part in (written, decided):
        _none_of(SECRETS, part, worker)


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
    text = b"".join(record.value for record in written.of(worker.topics.status(worker.lane)))
    text += "".join(value for letter in written.dead() for value in letter.values()).encode()
    for secret in secrets:
        assert secret not in text, text
