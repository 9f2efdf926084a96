"""Events for many recipients: chunk by chunk, in the list in which the fan-out began."""

import msgspec
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.intents import Continuation, Intent
from tocsin.contracts.vocabulary import Lane, Reason, StatusName


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


async def test_chunks_are_bounded_in_bytes(worker):
    name = "x" * 200_000
    written = await worker.route(worker.request(*(f"r{n}" for n in range(40)), data={"name": name}))
    size = sum(len(record.value) for record in written.of(worker.topics.intents(Lane.TRANSACTIONAL)))
    assert size < 4 * 1024 * 1024 + 2 * len(name) + 10_000
    assert isinstance(written.intents()[-1], Continuation)


async def test_the_events_of_a_batch_share_one_budget(worker):
    wide = [worker.request(*(f"w{m}-{n}" for n in range(600)), event_id=f"w{m}") for m in range(3)]
    one = worker.request("r1", event_id="r1", partition=0)
    *intents, second, third, last = (await worker.route(*wide, one)).intents()
    assert {type(intent) for intent in intents} == {Intent}
    assert len(intents) == 1000
    assert [(rest.event.id, rest.cursor) for rest in (second, third)] == [("w1", 400), ("w2", 0)]
    assert last.recipient == "r1"  # only one: it is written without a budget


@pytest.mark.parametrize(
    ("expression", "goes_on"),
    [("data.people", True), ("data.others", False), ("[data.others, data.people][]", False)],
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
    reached = [intent.recipient for intent in rest.intents()[:100]]
    assert reached == (people[cursor : cursor + 100] if goes_on else [])
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


async def test_a_duplicate_of_very_many_is_one_status(worker):
    people = [f"r{number}" for number in range(1001)]
    await worker.route(worker.request(*people))
    written = await worker.route(worker.request(*people))
    (status,) = written.statuses()
    assert (status.status, status.notification_id, status.event_id) == (
        StatusName.EVENT_DUPLICATE,
        None,
        "e1",
    )


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
    reached = [intent.recipient for intent in written.intents()] or [written.statuses()[0].recipient]
    assert reached == recipients
