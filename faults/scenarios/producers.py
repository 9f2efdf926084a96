"""Events that programs write straight to Kafka, with clients and in ways that are not ours."""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaProducer

from load import KafkaEvent
from scenario import Run, scenario
from scenarios.deaths import RATE
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.kafka_jars import jars, java
from tocsin.testing.until import until

_PROGRAM = Path(__file__).parents[1] / "java" / "WriteEvents.java"
_EVENTS = 500
_WRITTEN_WITHIN = 60.0  # seconds
_HEADERS = [("content-type", b"application/cloudevents+json")]


@scenario(two=("router",))
async def program_in_java_writes_events(run: Run) -> None:
    """A program on kafka-clients writes 1,500 events, compressed with zstd: each goes out once and in order."""
    for lane in Lane:
        await _in_java(run, Topics().events(lane), run.load.events(_EVENTS, lane=lane))


@scenario(two=("router",))
async def foreign_transactions_commit_and_abort(run: Run) -> None:
    """A foreign producer commits 40 events and aborts 40 others, between messages of ours: the committed ones go out, the others do not."""
    topic = Topics().events(Lane.TRANSACTIONAL)
    async with run.load.flowing(RATE):
        producer = AIOKafkaProducer(
            bootstrap_servers=run.ground.kafka.bootstrap_servers, transactional_id="foreign"
        )
        async with producer:
            aborted = run.load.events(40, lane=Lane.TRANSACTIONAL, counts=False)
            await producer.begin_transaction()
            await _produce(producer, topic, aborted)
            await producer.abort_transaction()
            await producer.begin_transaction()
            await _produce(producer, topic, run.load.events(40, lane=Lane.TRANSACTIONAL))
            await producer.commit_transaction()
        await asyncio.sleep(1)
    await until(lambda: _all_ended(run), seconds=60, every=0.2)
    known = {message.notification for message in aborted} & run.ended
    run.expect(not known, f"{len(known)} events of an aborted transaction were decided.")


async def _all_ended(run: Run) -> bool:
    return {message.notification for message in run.sent} <= run.ended


async def _produce(producer: AIOKafkaProducer, topic: str, events: list[KafkaEvent]) -> None:
    for event in events:
        await producer.send_and_wait(topic, event.value, key=event.key, headers=_HEADERS)


async def _in_java(run: Run, topic: str, events: list[KafkaEvent]) -> None:
    """Returns when the broker has all of them; RuntimeError with what the program says."""
    program = await asyncio.create_subprocess_exec(
        java(), "-cp", f"{jars()}/*", str(_PROGRAM), run.ground.kafka.bootstrap_servers, topic,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    lines = b"".join(event.key + b"\t" + event.value + b"\n" for event in events)
    async with asyncio.timeout(_WRITTEN_WITHIN):
        _, said = await program.communicate(lines)
    if program.returncode:
        raise RuntimeError(said.decode(errors="replace")[-1_000:])
