"""No single event, template or record costs a lane more than its share."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Step, TemplateRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import Batch, ConsumerRecord, partition_for
from tocsin.router.templates import Renderer
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.testing import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def devices(*numbers: int) -> list[dict[str, str]]:
    return [{"id": f"d{number}", "token": f"t{number}"} for number in numbers]


@pytest.mark.parametrize("given", [devices(*range(51)), devices(1, 2, 1)], ids=["many", "twice"])
async def test_inline_devices_are_few_and_different_ones(worker, given):
    written = await worker.route(worker.request("bob", {"id": "ann", "devices": given}))
    assert written.names() == ["event_refused"]
    (letter,) = written.dead()
    assert letter["tocsin_dead_reason"] == "device_invalid"
    assert "/data/recipients" in letter["tocsin_dead_detail"]


async def test_inline_devices_of_a_business_event_are_few(worker, workflow):
    worker.publish(workflow(revision=2, recipients="data.who", data_schema=None))
    data = {"who": {"id": "ann", "devices": devices(*range(51))}}
    written = await worker.route(worker.event(data=msgspec.Raw(encode(data))))
    assert [letter["tocsin_dead_reason"] for letter in written.dead()] == ["device_invalid"]


def multiplying(times: int) -> str:
    """An expression of a recipient whose attributes hold the data so many times."""
    first, second = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"
    names = [a + b for a in first for b in second][:times]
    return f"{{id:subject,attributes:{{{','.join(f'{name}:data' for name in names)}}}}}"


@pytest.mark.parametrize("times", [118, 8, 3])
@pytest.mark.parametrize("key", [None, b"x"], ids=["decided at once", "fanned out"])
async def test_an_expression_cannot_multiply_the_data_beyond_bounds(worker, workflow, times, key):
    expression = multiplying(times)
    assert len(expression) <= 1_000
    worker.publish(workflow(revision=2, recipients=expression, data_schema=None))
    event = worker.event(data=msgspec.Raw(encode({"name": "x" * 250_000})), partition=key and 0, key=key)
    began = time.thread_time()
    written = await worker.route(event)
    assert time.thread_time() - began < 2
    assert written.names() == ["event_refused"]
    assert [letter["tocsin_dead_reason"] for letter in written.dead()] == ["recipients_too_costly"]


async def test_every_intent_fits_its_topic(worker, workflow):
    """The most that a direct request and an expression can make of an event's data: a short number is written long."""
    limits = {topic.name: topic.max_message_bytes for topic in worker.topics.all()}
    longest = {"a": [1e15] * 51_000}  # three times as long when it is written again
    raw = encode(longest).replace(b"1000000000000000.0", b"1e15")
    person = msgspec.Raw(b'{"id":"ann","email":"a@example.test","attributes":' + raw + b"}")
    worker.publish(workflow(revision=2, recipients="{id: subject, attributes: data.half}", data_schema=None))
    half = msgspec.Raw(b'{"half":' + encode({"a": "x" * 250_000}) + b"}")
    written = await worker.route(
        worker.request(person, "bob", data={}),
        worker.event(id="e2", data=half, partition=0, key=b"x"),
    )
    assert len(written.intents()) == 3
    assert all(record.size < limits[record.topic] for record in written.records)
    assert max(record.size for record in written.records) > 900_000


async def test_a_push_job_carries_its_own_device_only(worker):
    where = partition_for(recipient_key("acme", "ann"), 4)
    given = {"id": "ann", "devices": devices(*range(50))}
    jobs = (await worker.route(worker.request(given, partition=where))).jobs(Channel.PUSH)
    assert len(jobs) == 50
    assert [[device.id for device in job.intent.private.inline.devices] for job in jobs] == [
        [job.address_key] for job in jobs
    ]
    assert (jobs[7].intent.private.inline.devices[0].token, jobs[7].private.address) == ("t7", "t7")
    again = worker.record(
        worker.topics.intents(Lane.TRANSACTIONAL), b"k", encode(sent_back(jobs[7])), partition=where
    )
    (job,) = (await worker.route(again)).jobs(Channel.PUSH)
    assert (job.delivery_id, job.private.address) == (jobs[7].delivery_id, "t7")


async def test_repeats_of_large_audiences_share_the_room_of_a_batch(worker):
    people = [f"r{number}" for number in range(600)]
    await worker.route(worker.request(*people))
    written = await worker.route(*(worker.request(*people) for _ in range(10)), worker.request("r1"))
    assert len(written.records) <= 1_000 + 10
    of_events = [status for status in written.statuses() if isinstance(status, Status)]
    assert [status.status for status in of_events] == ["event_duplicate"] * 9
    assert len(written.records) == 600 + 9 + 1
    assert written.statuses()[-1].recipient == "r1"


class SlowClock(ManualClock):
    """Each look takes a while."""

    def monotonic(self) -> float:
        self.advance(0.3)
        return super().monotonic()


def batch(*records: ConsumerRecord) -> Batch:
    return Batch(records=list(records), partition_count=4)


async def test_what_takes_long_is_written_in_parts(make_worker, monkeypatch):
    """And what was rendered is written: nothing is rendered again because the time was over."""
    rendered = 0
    render = DeliveryRenderer.render

    def counted(self: DeliveryRenderer, *args: Any) -> Any:
        nonlocal rendered
        rendered += 1
        return render(self, *args)

    monkeypatch.setattr(DeliveryRenderer, "render", counted)
    worker = make_worker(clock=SlowClock(START))
    records = [worker.event(id=f"e{number}") for number in range(10)]
    part = await worker.router.process(batch(*records))
    assert 1 < part.records < 10
    assert part.records == rendered
    assert len(worker.claims.rows) == 10
    written = await worker.route(*records[part.records :])
    assert "duplicate" not in written.names()
    assert len(written.jobs(Channel.SMS)) == 10 - part.records


async def test_what_renders_to_much_is_written_in_parts(worker, workflow):
    worker.publish(workflow(revision=2, data_schema=None, steps=[Step(name="1", channels=(Channel.EMAIL,))]))
    parts = {"subject": "s", "text": "{{ data.name }}{{ data.name }}{{ data.name }}"}
    template = TemplateRecord(
        tenant="acme", workflow="shipped", channel=Channel.EMAIL, locale="en", revision=4, parts=parts
    )
    worker.publish(template)
    data = msgspec.Raw(encode({"name": "x" * 150_000}))
    records = [worker.event(id=f"e{number}", data=data) for number in range(60)]
    part = await worker.router.process(batch(*records))
    size = sum(record.size for record in part.outgoing)
    assert 16 * 1024 * 1024 < size < 18 * 1024 * 1024
    assert part.records < 60


async def test_channels_share_one_budget_and_the_loop_is_let_go_between_them(worker, workflow, monkeypatch):
    monkeypatch.setattr("tocsin.runtime.loop_slice.SLICE_SECONDS", 0.0001)
    turns_within = "{% for j in range(9) %}{{ data.s|length }}{% endfor %}"
    loop = f"{{% for i in range(1000) %}}{turns_within}{{% endfor %}}"
    texts = {
        Channel.EMAIL: {"subject": "s", "text": loop},
        Channel.SMS: {"body": "x" + loop},
        Channel.PUSH: {"title": "t", "body": loop},
    }
    worker.publish(
        workflow(revision=2, data_schema=None),
        *(
            TemplateRecord(
                tenant="acme", workflow="shipped", channel=channel, locale="en", revision=5, parts=parts
            )
            for channel, parts in texts.items()
        ),
    )
    data = msgspec.Raw(encode({"s": "x" * 200_000}))
    await worker.route(worker.event(id="e0", data=data))  # compiles
    record = worker.event(data=data)
    began = time.thread_time()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    render = Renderer.render
    before_render: list[int] = []

    def noted(self: Renderer, *args: Any, **more: Any) -> Any:
        before_render.append(turns)
        return render(self, *args, **more)

    monkeypatch.setattr(Renderer, "render", noted)
    other = asyncio.create_task(others())
    written = await worker.route(record)
    other.cancel()
    assert [delivery.target.reason for delivery in written.targets()] == ["template_failed"] * 3
    assert all("2097152 bytes" in delivery.channel.detail for delivery in written.targets())
    assert time.thread_time() - began < 0.5
    assert before_render[0] < before_render[1]


async def test_compiling_leaves_the_loop_to_others():
    renderer = Renderer()
    template = TemplateRecord(
        tenant="acme", workflow="shipped", channel=Channel.SMS, locale="en", revision=1,
        parts={"body": "{{ data.a + data.b + data.c }}" * 2_000},
    )  # fmt: skip
    had_their_turn = threading.Event()

    @contextmanager
    def after_the_others() -> Iterator[None]:
        assert had_their_turn.wait(60)
        yield

    preparing = asyncio.create_task(renderer.prepare(template, under=after_the_others()))
    await asyncio.sleep(0)
    had_their_turn.set()
    await preparing
    assert renderer.ready(template)
    compiled = list(renderer._compiled.values())
    await renderer.prepare(template)
    assert list(renderer._compiled.values()) == compiled


async def test_a_worker_compiles_nothing_while_it_decides(worker, monkeypatch):
    render = Renderer.render

    def only_when_ready(self: Renderer, template: TemplateRecord, *args: Any, **more: Any) -> Any:
        assert self.ready(template)
        return render(self, template, *args, **more)

    monkeypatch.setattr(Renderer, "render", only_when_ready)
    assert (await worker.route(worker.event())).names() == ["routed"] * 3


def sent_back(job: Job) -> Intent:
    ref = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    return replace(job.intent, delivery=ref)
