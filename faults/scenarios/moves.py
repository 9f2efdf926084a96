"""An installation moves to a new topic prefix with more partitions, as docs/operations/more-partitions.md says."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace

from aiokafka import AIOKafkaProducer

from ground import TENANT
from load import Sent, Way
from moving_ground import FORMER, NEW, MovingGround
from scenario import Run, scenario
from scenarios.deaths import DISPATCHERS
from sinks import behaviour as far
from sinks.behaviour import Step
from tenants import person
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev import StartFailed
from tocsin.testing.until import until
from twin_ground import SECOND

_RATE = 20.0
_EARLY, _LATE = 45.0, 150.0
"""Seconds from the beginning to when planned messages are to be sent: some while nobody hands over, the others when the move is over."""
_IN_FORCE = 5.0
_WAIT = ("--wait", "180")
_LATE_EVENTS = 12
_WORKFLOW = "made-while-moving"
_HEADERS = [("content-type", b"application/cloudevents+json")]


@scenario(ground=MovingGround, own_ground=True, nightly=True, ends=True, patience=300)
async def more_partitions_by_a_new_prefix(run: Run) -> None:
    """From 4 to 12 partitions by a new topic prefix under load, with planned messages, cancellations and late producers: each once, in order."""
    ground = run.ground
    assert isinstance(ground, MovingGround)
    begun = time.time()
    async with run.load.flowing(_RATE):
        same = await run.load.planned(
            range(40, 55), channel="sms", lane="transactional", due=begun + _EARLY, each=2
        )
        later = await run.load.planned(
            range(55, 80), channel="email", lane="transactional", due=begun + _LATE
        )
        await run.load.cancel(later[:8])
        await _timed(run, "both directories", _publish_to_both(ground))
        await run.ground.sinks.behave(far.refuse(421, step=Step.MAIL), channel=Channel.EMAIL)
        await asyncio.sleep(3)
        await run.ground.sinks.behave(far.GOOD, channel=Channel.EMAIL)
        run.fault()
        await _timed(run, "new events to the new prefix", _turn_producers(run, ground))
        await _timed(run, "drained", _drain(run, ground))
        await _write_late(run)
        await _timed(run, "carried and adopted", _take_over(run, ground))
        await run.load.cancel(later[8:16])
        await _timed(run, "the ledger", _move_ledger(run, ground))
        await _write_late(run)
        await _expect_waiting(run, ground)
        await ground.command_of_second("tocsin.cli", "topics", "carry", FORMER)
        await ground.command("tocsin.cli", "topics", "drained", *_WAIT)
        await asyncio.sleep(5)
    await until(lambda: run.all_ended([*same, *later]), seconds=300, every=0.5)
    _judge_cancelled(run, later[:16])
    kept = [sent for sent in later[16:] if run.endings.final[sent.notification] != {"sent"}]
    run.expect(not kept, f"{len(kept)} planned messages ended otherwise than sent.")


async def _publish_to_both(ground: MovingGround) -> None:
    """Step 2: the former router publishes under both prefixes."""
    (router,) = ground.first("router")
    router.service = replace(router.service, env={**router.service.env, "ROUTER_SECOND_PREFIX": NEW})
    await ground.restart(router)
    await ground.command("tocsin.cli", "directory", "republish")


async def _turn_producers(run: Run, ground: MovingGround) -> None:
    """Steps 3 and 4: what comes from now on lies under the new prefix, and waits there. Changes go on, and are in force in both."""
    await ground.start_all(ground.second("ingest", *DISPATCHERS))
    ground.answering["ingest"] = SECOND
    await _stop(run, ground, "ingest")
    flow = {"name": "Made", "category": "probes", "lane": "transactional", "channels": ["sms"]}
    await run.change("PUT", f"/v1/workflows/{_WORKFLOW}", flow)
    text = "probe {{ tenant.id }} {{ data.lane }} {{ recipient.id }} {{ data.sequence }}"
    template = {"parts": {"body": text}, "publish": True}
    await run.change("PUT", f"/v1/workflows/{_WORKFLOW}/templates/sms/default/en", template)
    await run.load.one(Way(TENANT, Channel.SMS, Lane.TRANSACTIONAL, person(119)), workflow=_WORKFLOW)


async def _drain(run: Run, ground: MovingGround) -> None:
    """Step 5: nothing fires any more, and all that was accepted before is handed over."""
    await _stop(run, ground, "scheduler")
    await ground.command("tocsin.cli", "topics", "drained", *_WAIT)
    await _stop(run, ground, "router", *DISPATCHERS)


async def _take_over(run: Run, ground: MovingGround) -> None:
    """Steps 6 and 7: what only Kafka holds, and the timers, come along; then the new prefix works."""
    await asyncio.gather(
        ground.command_of_second("tocsin.cli", "topics", "carry", FORMER),
        ground.command_of_second("tocsin.scheduler", "adopt", FORMER),
    )
    await ground.start_all(ground.second("router", "scheduler"))
    ground.answering["router"] = SECOND
    (scheduler,) = ground.first("scheduler")
    ground.start(scheduler)
    await until(lambda: _was_refused(run, scheduler.name), seconds=60, every=0.2)
    await ground.stop(scheduler)


async def _move_ledger(run: Run, ground: MovingGround) -> None:
    """Step 8."""
    await ground.command("tocsin.cli", "topics", "drained", "--ledger", *_WAIT)
    await _stop(run, ground, "ledger")
    await ground.start_all(ground.second("ledger"))
    ground.answering["ledger"] = SECOND


async def _stop(run: Run, ground: MovingGround, *names: str) -> None:
    failed = await ground.stop_all(ground.first(*names))
    run.expect(not failed, f"{', '.join(failed)} did not end as they should when they were told to stop.")


async def _write_late(run: Run) -> None:
    """A program that has not heard of the new prefix, although the routers of the former one have ended."""
    events = run.load.events(_LATE_EVENTS, lane=Lane.TRANSACTIONAL)
    async with AIOKafkaProducer(bootstrap_servers=run.ground.kafka.bootstrap_servers) as producer:
        for event in events:
            topic = Topics(FORMER).events(Lane.TRANSACTIONAL)
            await producer.send_and_wait(topic, event.value, key=event.key, headers=_HEADERS)


async def _expect_waiting(run: Run, ground: MovingGround) -> None:
    """What was written too late is seen."""
    try:
        await ground.command("tocsin.cli", "topics", "drained")
    except StartFailed as fault:
        run.expect("Records wait" in str(fault), f"`tocsin topics drained` says: {fault}")
    else:
        run.expect(False, "`tocsin topics drained` does not see what was written too late.")


async def _was_refused(run: Run, name: str) -> bool:
    """A scheduler of the former prefix, started by mistake, must not fire: exit code 3."""
    return any(one.name == name and one.code == 3 for one in run.ground.exits)


def _judge_cancelled(run: Run, cancelled: list[Sent]) -> None:
    requested = {(one.way, one.sequence): run.endings.cancel_requested[one.notification] for one in cancelled}
    late = [
        one for one in run.taken if one.at > requested.get((one.way, one.sequence), float("inf")) + _IN_FORCE
    ]
    run.expect(not late, f"{len(late)} planned messages were handed over although they had been cancelled.")


async def _timed(run: Run, what: str, step: Awaitable[None]) -> None:
    began = time.time()
    await step
    run.notes.append(f"{what}: {time.time() - began:.1f} s")
