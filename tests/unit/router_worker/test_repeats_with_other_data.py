"""The same event id again: with the same data, with other data, in another mode."""

import msgspec
import pytest

from tocsin.contracts.vocabulary import Channel, Lane

ATTRIBUTES = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.shop.shipped", "subject": "ann", "tenant": "acme"}  # fmt: skip
Sent = tuple[list[tuple[str, bytes]], bytes]


def binary(data: bytes) -> Sent:
    return [(f"ce_{name}", text.encode()) for name, text in ATTRIBUTES.items()], data


def structured(member: bytes) -> Sent:
    envelope = msgspec.json.encode(ATTRIBUTES)[:-1] + b"," + member + b"}"
    return [("content-type", b"application/cloudevents+json")], envelope


def reasons(written):
    return [decision.reason for decision in written.decisions() if decision.outcome == "duplicate"]


async def test_a_repeat_with_other_data_says_so_and_the_first_counts(worker):
    first, same, other, again = (
        worker.event(data=msgspec.Raw(data))
        for data in (b'{"name":"1"}', b'{"name":"1"}', b'{"name":"2"}', b'{ "name":"1"}')
    )
    written = await worker.route(first, same, other)
    assert reasons(written) == [None, "other_data"]
    assert reasons(await worker.route(again)) == ["other_data"]


async def test_the_same_record_again_is_a_re_run(worker):
    record = worker.event()
    first, again = await worker.route(record), await worker.route(record)
    assert again.names() == first.names()
    assert reasons(again) == []


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (binary(b'{"name":"1"}'), structured(b'"data":{"name":"1"}'), None),
        (structured(b'"data" : {"name":"1"} '), structured(b'"data_base64":"eyJuYW1lIjoiMSJ9"'), None),
        (binary(b'{"name":"1"}'), structured(b'"data":{"name": "1"}'), "other_data"),
        (binary(b'{"name":"1","n":2}'), binary(b'{"n":2,"name":"1"}'), "other_data"),
    ],
)
async def test_data_are_compared_as_bytes_whatever_the_mode(
    worker, first: Sent, second: Sent, reason: str | None
) -> None:
    topic = worker.topics.events(Lane.TRANSACTIONAL)
    records = [worker.record(topic, b"acme/ann", value, headers) for headers, value in (first, second)]
    assert reasons(await worker.route(*records)) == [reason]


async def test_a_key_that_is_used_again_for_somebody_else_ends_as_a_duplicate_of_theirs(worker):
    written = await worker.route(worker.request("ann"), worker.request("bob"))
    told = [(decision.recipient, decision.outcome, decision.reason) for decision in written.decisions()]
    assert told == [("ann", "decided", None), ("bob", "duplicate", "other_data")]
    assert {job.recipient for job in written.jobs(Channel.SMS)} == {"ann"}


async def test_of_very_many_it_is_said_once(worker):
    people = [f"r{number}" for number in range(1001)]
    await worker.route(worker.request(*people))
    (status,) = (await worker.route(worker.request(*people, data={"name": "Zoe"}))).statuses()
    assert (status.status, status.reason) == ("event_duplicate", "other_data")
    assert "other data" in status.detail
