"""Which partition and lane an event is decided in, and which event of an id counts, wherever it lies."""

from datetime import UTC, datetime

import msgspec

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, Step, TenantRecord
from tocsin.contracts.ids import notification_id, recipient_key
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import partition_for

CHANGED_AT = datetime(2025, 12, 1, tzinfo=UTC)
NOTIFICATION = notification_id(
    tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="shipped"
)


async def test_an_event_in_another_partition_is_fanned_out_and_then_decided(worker):
    own = partition_for(recipient_key("acme", "ann"), 4)
    record = worker.event(partition=(own + 1) % 4)
    written = await worker.route(record)
    assert written.names() == ["event_accepted"]
    (outgoing,) = written.of(worker.topics.intents(Lane.TRANSACTIONAL))
    assert outgoing.key == recipient_key("acme", "ann")
    (read,) = worker.as_read([outgoing])
    decided = await worker.route(read)
    assert decided.names() == ["routed", "routed", "routed"]
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
    faster = await worker.route(worker.request("ann", "bob", event_id="e2", lane="critical"))
    assert [intent.lane for intent in faster.intents()] == [Lane.TRANSACTIONAL] * 2
    assert faster.intents(Lane.CRITICAL) == []


async def test_two_workflows_are_fanned_out(worker, workflow, templates):
    worker.publish(workflow(key="also", steps=[Step(name="1", channels=(Channel.SMS,))]), *templates("also"))
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
    assert written.names() == ["routed", "routed", "routed", "duplicate", "duplicate"]
    assert later.names() == ["duplicate", "duplicate"]
    duplicates = [
        decision for decision in written.decisions() + later.decisions() if decision.outcome == "duplicate"
    ]
    assert {decision.notification_id for decision in duplicates} == {NOTIFICATION}
    assert len({decision.status_id for decision in duplicates}) == 4
    assert {decision.cause for decision in duplicates} == {record.ref for record in records[1:]}
    (rule,) = duplicates[0].rules
    assert (rule.rule, rule.outcome, rule.input) == ("duplicate", "duplicate", {"belongs_to": records[0].ref})


async def test_the_same_id_in_two_tenants_is_two_notifications(worker, workflow, templates):
    worker.publish(
        TenantRecord(tenant="beta", name="Beta"),
        CategoryRecord(tenant="beta", key="orders"),
        workflow(tenant="beta"),
        *(msgspec.structs.replace(template, tenant="beta") for template in templates()),
    )
    worker.recipients.stored["beta", "ann"] = worker.recipients.stored["acme", "ann"]
    written = await worker.route(worker.event(), worker.event(tenant="beta"))
    assert written.names().count("duplicate") == 0
    assert {decision.tenant for decision in written.decisions()} == {"acme", "beta"}
    assert len({decision.notification_id for decision in written.decisions()}) == 2
    assert len(worker.claims.rows) == 2


async def test_one_query_a_batch(worker):
    await worker.route(*(worker.event(id=f"e{number}") for number in range(20)))
    assert worker.recipients.queries == [{("acme", "ann")}]


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
    assert written.names() == ["routed"] * 3
