"""What one mail costs a dispatcher, part by part: the real delivery loop and the real SMTP session, with a broker in memory.

`python bench/dispatching.py [--mails N] [--rounds N] [--parts]` prints processor microseconds a mail, of this process alone, for
each round. With `--parts` it also says where they went: a sample every millisecond of processor time, counted to the module of ours
that was being executed, with whatever that module called outside of us. Sampling costs a few percent, so take totals without it.
"""

import argparse
import asyncio
import os
import signal
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import cast

import uvloop

import tenant
from environment import NOBODY
from figures import WARM_UP
from sink import Sink
from tocsin.channel import Dispatcher
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.providers import write_providers
from tocsin.dispatch_email.settings import KINDS, EmailSettings
from tocsin.kafka import (
    OTHERS,
    ConsumerGroup,
    Fenced,
    FencedShard,
    Offsets,
    ProducerRecord,
    Publisher,
    read_back_metadata,
)
from tocsin.testing.jobs import job_for
from tocsin.testing.kafka import MemoryCluster, MemoryOffsets, MemoryPublisher
from traced import trace_as_a_service, traceparent

LANE = Lane.TRANSACTIONAL
TOPICS = Topics("bench.")
PARTITIONS, SHARDS = 4, 2
SAMPLE_SECONDS = 0.001
URL = "https://notify.bench.example/u/" + "x" * 60
SENDER = SenderIdentity(address="orders@bench.example", name="Bench shop", reply_to="help@bench.example")


def job(number: int) -> ProducerRecord:
    """The mail that `bench/quick.py` sends, as the router would have written it."""
    who = tenant.RECIPIENTS[number % len(tenant.RECIPIENTS)]
    made = job_for(
        Channel.EMAIL,
        tenant="bench",
        recipient=who,
        delivery_id=str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))),
        notification_id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
        address=f"{who}@bench.example",
        content=CHANNELS[Channel.EMAIL].content_of(
            {name: _filled(part, who) for name, part in tenant._PARTS.items()}
        ),
        sender=SENDER,
        unsubscribe_url=URL,
        traceparent=traceparent(number),
    )
    return ProducerRecord(TOPICS.jobs(Channel.EMAIL, LANE), recipient_key("bench", who), encode(made))


def _filled(template: str, who: str) -> str:
    filled = template.replace("{{ recipient.attributes.first_name }}", f"Ada {who}")
    for name, value in tenant.DATA.items():
        filled = filled.replace(f"{{{{ data.{name} }}}}", value)
    return filled.replace("{{ links.unsubscribe }}", URL)


class Young:
    """The age of a copy that is never old."""

    async def ask(self) -> bool:
        return True

    def seconds(self) -> float:
        return 0.0


class Parts:
    """Counts, by module, where the process is each time it has used another millisecond."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        signal.signal(signal.SIGPROF, self._sample)

    def begin(self) -> None:
        self.counts.clear()
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module.startswith("tocsin."):
                self.counts[module] += 1
                return
            frame = frame.f_back
        self.counts["the event loop"] += 1


async def measure(mails: int, rounds: int, parts: Parts | None) -> None:
    """Each round has a backlog of so many mails of its own; its first share is not measured."""
    trace_as_a_service("dispatch-email")
    with tempfile.TemporaryDirectory() as folder:
        async with Sink(Path(folder) / "sink.log") as sink:
            write_providers(
                Path(folder),
                catcher=f"http://127.0.0.1:{NOBODY}",
                smtp_port=sink.port,
                fcm_account=Path(folder) / "none",
            )
            os.environ |= {"DISPATCH_EMAIL_PROVIDERS_FILE": f"{folder}/email.toml"}
            os.environ |= {"KAFKA_BOOTSTRAP_SERVERS": "in-memory:9092"}
            for number in range(rounds):
                await _round(number, mails, sink, parts)


async def _round(number: int, mails: int, sink: Sink, parts: Parts | None) -> None:
    cluster = MemoryCluster(prefix="bench.")
    dispatcher = Dispatcher(channel=Channel.EMAIL, settings=EmailSettings(), kinds=KINDS)
    offsets = MemoryOffsets(cluster)
    context = LaneContext(
        channel=Channel.EMAIL,
        lane=LANE,
        topics=TOPICS,
        pool=dispatcher.pool,
        publisher=cast("Publisher", MemoryPublisher(cluster)),
        offsets=cast("Offsets", offsets),
        read_log=offsets.read_log,
        health=dispatcher.health,
        versions=dispatcher.versions,
        cancellations=dispatcher.cancellations,
        copy=CopyWatch(ages={"stops": Young()}, health=dispatcher.health, clock=dispatcher.clock),
        clock=dispatcher.clock,
        send_timeout=OTHERS.send_timeout,
        deferral=dispatcher.settings.deferral(),
        window_bytes=dispatcher.settings.window_bytes // 3,
    )
    cluster.create(context.jobs, context.status, context.intents, context.timers, partitions=PARTITIONS)
    cluster.start(context.group, context.jobs, metadata=read_back_metadata(0))
    placed = await cluster.logs.place(job(place) for place in range(mails))
    cluster.logs.append(placed)

    async def work(shard: FencedShard) -> None:
        await ShardDelivery(context, shard).run()

    group = ConsumerGroup(
        cluster=cluster,
        group=context.group,
        topics=[context.jobs],
        ownership=Fenced(cluster=cluster, shards=SHARDS),
        work=work,
        timeouts=OTHERS,
        health=dispatcher.health,
        clock=dispatcher.clock,
        rejoins=0,
    )
    await dispatcher.pool.open()
    await group.open()
    stop = asyncio.Event()
    running = asyncio.create_task(group.run(stop))
    recorded = cluster.logs.of(context.status)
    first = round(mails * WARM_UP)
    await _until(lambda: sum(log.end for log in recorded) >= first)
    before, began, already = time.process_time(), time.monotonic(), sum(log.end for log in recorded)
    if parts is not None:
        parts.begin()
    await _until(lambda: sum(log.end for log in recorded) >= mails)
    if parts is not None:
        parts.end()
    measured = mails - already
    cpu, seconds = time.process_time() - before, time.monotonic() - began
    stop.set()
    await running
    await dispatcher.pool.close()
    caught = set((await sink.take()).ids)
    assert len(caught) == mails, f"{mails - len(caught)} mails are missing"
    print(
        f"round {number + 1}: {cpu / measured * 1e6:6.1f} us a mail, {measured / seconds:6.0f} mails/s",
        flush=True,
    )
    if parts is not None:
        _show(parts.counts, cpu / measured * 1e6)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the condition is a count in the cluster in memory
        await asyncio.sleep(0.02)


def _show(counts: Counter[str], microseconds: float) -> None:
    total = sum(counts.values())
    for module, count in counts.most_common(25):
        print(f"{count / total * microseconds:8.1f}  {module}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", action="store_true", help="say where the time went")
    given = parser.parse_args()
    uvloop.run(measure(given.mails, given.rounds, Parts() if given.parts else None))
