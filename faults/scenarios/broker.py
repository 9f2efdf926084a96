"""The one broker of the ground is killed, frozen, emptied and held up."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from ground import TENANT
from scenario import Run, scenario
from scenarios.deaths import DISPATCHERS, RATE
from tenants import person
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev import StartFailed
from tocsin.dev.installation import topics_apply
from tocsin.dev.services import PARTITIONS
from tocsin.testing.until import until

_FROZEN = 20.0  # seconds
_OPEN = 15.0
"""Seconds after which the broker ends the foreign transaction."""


@scenario(two=("router", *DISPATCHERS))
async def broker_is_killed(run: Run) -> None:
    """The only broker is killed and comes back, twice: no outcome that is known is thrown away."""
    kafka = run.ground.kafka_server
    async with run.load.flowing(RATE):
        for _ in range(2):
            await asyncio.sleep(3)
            run.fault()
            await asyncio.to_thread(kafka.kill)
            await asyncio.sleep(1)
            kafka.launch()
            await asyncio.to_thread(kafka.wait_ready)
            await asyncio.sleep(5)


@scenario(two=("router", *DISPATCHERS))
async def broker_is_frozen(run: Run) -> None:
    """The only broker stands still for 20 s."""
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        for _ in DISPATCHERS:
            run.crash_of_a_dispatcher()
            run.crash_of_a_dispatcher()
        with frozen(run.ground.kafka_server.pid):
            await asyncio.sleep(_FROZEN)
        await asyncio.sleep(5)


@contextlib.contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """The process stands still."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@scenario(two=("router",), patience=200)
async def foreign_transaction_is_left_open(run: Run) -> None:
    """A foreign producer leaves a transaction open on `events.critical` for 15 s: what lies behind it waits, and goes out once and in order."""
    async with run.load.flowing(RATE):
        await asyncio.sleep(1)
        run.fault()
        async with _open_transaction(run):
            await asyncio.sleep(_OPEN + 5)
        await asyncio.sleep(2)


@contextlib.asynccontextmanager
async def _open_transaction(run: Run) -> AsyncIterator[None]:
    """It is neither committed nor aborted: the broker ends it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=run.ground.kafka.bootstrap_servers,
        transactional_id="foreign",
        transaction_timeout_ms=int(_OPEN * 1000),
    )
    await producer.start()
    await producer.begin_transaction()
    key = recipient_key(TENANT, person(1))
    await producer.send_and_wait(Topics().events(Lane.CRITICAL), b"{}", key=key)
    await producer.flush()
    try:
        yield
    finally:
        await producer.stop()


@scenario(two=("dispatch-sms",), own_ground=True)
async def records_are_deleted_under_an_offset(run: Run) -> None:
    """Records of `jobs.sms.critical` are deleted that no dispatcher has read: the lane says what is lost, others go on, one command mends it."""
    ground = run.ground
    await run.load.backlog(40, channel="sms", lane="critical")
    await until(lambda: _all_taken(run), seconds=60, every=0.2)
    for instance in ground.of("dispatch-sms"):
        await ground.stop(instance)
    gone = await run.load.backlog(60, channel="sms", lane="critical")
    await until(lambda: _jobs_reach(run, 100), seconds=60, every=0.2)
    run.fault()
    await _delete(run, Topics().jobs(Channel.SMS, Lane.CRITICAL))
    for instance in ground.of("dispatch-sms"):
        ground.start(instance)
    others = await run.load.backlog(40, channel="sms", lane="transactional")
    await until(lambda: run.all_ended(others), seconds=90, every=0.5)
    shown = ""
    with contextlib.suppress(StartFailed):  # it ends with an exit code of its own while something is lost
        shown = await ground.command(*topics_apply())
    run.expect("lost" in shown or not shown, "`tocsin topics apply` does not show what is lost.")
    group = Topics().group("dispatch-sms", Lane.CRITICAL)
    await ground.command(*topics_apply(), "--accept-loss", group)
    await run.load.backlog(40, channel="sms", lane="critical")
    run.given_up |= {message.notification for message in gone}


async def _all_taken(run: Run) -> bool:
    return len(run.taken) == len(run.sent)


async def _jobs_reach(run: Run, count: int) -> bool:
    return sum((await run.ends(Topics().jobs(Channel.SMS, Lane.CRITICAL))).values()) >= count


async def _delete(run: Run, topic: str) -> None:
    ends = await run.ends(topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=run.ground.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records(
            {
                TopicPartition(topic, number): RecordsToDelete(before_offset=end)
                for number, end in ends.items()
            }
        )
    finally:
        await admin.close()
    assert len(ends) == PARTITIONS
