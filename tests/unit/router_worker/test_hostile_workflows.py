"""What a tenant published, on whatever way, holds up no other: it is refused by a count, and the next event goes on."""

from time import thread_time

import msgspec
import pytest
from tests.hostile_programs import (
    BACK_REFERENCE,
    DOUBLING_EXPRESSION,
    DOUBLING_SCHEMA,
    HOSTILE_TEMPLATES,
    LOOK_AROUND,
    TOO_LONG_EXPRESSION,
)

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Step
from tocsin.contracts.vocabulary import Channel, Reason

WIDE = {"allOf": [{"type": "object"}] * 199}  # 200 wide: 9,413 bytes of one text


def reasons(written):
    return [letter["tocsin_dead_reason"] for letter in written.dead()]


@pytest.mark.parametrize(
    "fields",
    [
        {"data_schema": DOUBLING_SCHEMA},
        {"data_schema": {"properties": {"name": {"pattern": LOOK_AROUND}}}},
        {"data_schema": {"pattern": BACK_REFERENCE}},
        {"recipients": DOUBLING_EXPRESSION},
        {"recipients": TOO_LONG_EXPRESSION},
    ],
)
async def test_a_workflow_that_saving_refuses_is_not_run_either(worker, workflow, templates, fields):
    worker.publish(workflow(key="hostile", event_types=["com.hostile"], **fields), *templates("hostile"))
    began = thread_time()
    hostile = worker.event(id="e1", type="com.hostile", data=msgspec.Raw(b'{"x":["ann"],"name":"' + b"a" * 200_000 + b'"}'))  # fmt: skip
    direct = worker.request("ann", event_id="e2", workflow="hostile")
    written = await worker.route(hostile, direct, worker.event(id="e3"))
    assert reasons(written) == [Reason.WORKFLOW_UNUSABLE] * 2
    assert len(written.targets("routed")) == 3  # e3, on three channels
    assert thread_time() - began < 0.3


@pytest.mark.parametrize("source", HOSTILE_TEMPLATES)
async def test_a_template_that_saving_refuses_is_not_run_either(worker, workflow, templates, source):
    worker.publish(
        workflow(key="hostile", event_types=["com.hostile"], steps=[Step(name="1", channels=(Channel.SMS,))]),
        msgspec.structs.replace(templates("hostile")[1], parts={"body": source}),
    )
    began = thread_time()
    written = await worker.route(worker.event(id="e1", type="com.hostile"), worker.event(id="e2"))
    ((target, channel, _),) = written.targets("failed")
    assert (target.reason, channel.channel) == (Reason.TEMPLATE_FAILED, Channel.SMS)
    assert len(written.targets("routed")) == 3  # e2, on three channels
    assert thread_time() - began < 0.3


async def test_data_that_are_too_much_for_a_schema_are_refused_unseen(worker, workflow):
    worker.publish(workflow(revision=2, data_schema=WIDE))
    fits = b'{"name":"' + b"a" * (9_413 - 11) + b'"}'
    over = b'{"name":"' + b"a" * (9_413 - 10) + b'"}'
    written = await worker.route(worker.event(id="e1", data=msgspec.Raw(over)), worker.event(id="e2", data=msgspec.Raw(fits)))  # fmt: skip
    assert reasons(written) == [Reason.DATA_TOO_COMPLEX]
    assert len(written.targets("routed")) == 3
    written = await worker.route(worker.request("ann", event_id="e3", data=msgspec.Raw(over)))
    (letter,) = written.dead()
    assert letter["tocsin_dead_reason"] == Reason.DATA_TOO_COMPLEX
    assert letter["tocsin_dead_detail"].startswith("shipped: /data/data: The data is too large")


async def test_an_expression_that_takes_too_many_steps_stops_no_batch(worker, workflow):
    worker.publish(workflow(revision=2, recipients="data.x[?id == 'ann'].id || subject", data_schema=None))
    many = msgspec.Raw(encode({"x": [{}] * 40_000}))
    written = await worker.route(worker.event(id="e1", data=many), worker.event(id="e2"))
    assert reasons(written) == [Reason.RECIPIENTS_TOO_COSTLY]
    assert len(written.targets("routed")) == 3


async def test_an_expression_that_finds_too_many_stops_no_batch(worker, workflow):
    worker.publish(workflow(revision=2, recipients="data.x || subject", data_schema=None))
    many = msgspec.Raw(encode({"x": [f"r{n}" for n in range(10_001)]}))
    written = await worker.route(worker.event(id="e1", data=many), worker.event(id="e2"))
    assert reasons(written) == [Reason.RECIPIENTS_TOO_COSTLY]
    assert len(written.targets("routed")) == 3
