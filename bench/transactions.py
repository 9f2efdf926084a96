"""What does a transaction cost by each of the two protocols, and what of it is the number of records?

`python bench/transactions.py [transactions]` (two minutes) starts a Kafka and writes jobs and decisions to two partitions each, with the offsets of
two, by turns: small transactions one after the other, small ones with a rest of 5 ms between them, and large ones. It prints the medians of
three rounds: CPU milliseconds of ours and of the broker, and the time from begin to end.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import uvloop

from processor_time import cpu_seconds
from tocsin.dev import KafkaServer
from tocsin.dev.paths import CACHE
from tocsin.kafka import (
    Admin,
    CommittedOffset,
    KafkaSettings,
    Limits,
    ProducerRecord,
    TopicPartition,
    TopicSpec,
)
from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.produce.explicit_transactions import ExplicitTransactions
from tocsin.kafka.produce.implicit_transactions import ImplicitTransactions
from tocsin.runtime.failpoints import NO_FAILPOINTS

Protocol = ImplicitTransactions | ExplicitTransactions
PARTITIONS = (0, 2)
ROUNDS, WARM = 3, 100
JOB, DECISION = b"job " * 375, b"decided " * 112


class Cost(NamedTuple):
    """Milliseconds of a transaction."""

    ours: float
    broker: float
    median: float
    slowest_percent: float


def records(each: int) -> list[ProducerRecord]:
    """So many to each partition of both topics."""
    return [
        ProducerRecord(topic, b"bench/user-%d" % number, value, partition=partition)
        for topic, value in (("jobs", JOB), ("status", DECISION))
        for partition in PARTITIONS
        for number in range(each)
    ]


async def run(protocol: Protocol, outgoing: list[ProducerRecord], times: int, rest: float, pid: int) -> Cost:
    """So many transactions, one after the other."""
    took = []
    ours, broker = time.process_time(), cpu_seconds(pid)
    for number in range(times):
        began = time.perf_counter()
        offsets = {TopicPartition("in", partition): CommittedOffset(number) for partition in PARTITIONS}
        await protocol.write(outgoing, offsets)
        await protocol.commit()
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(rest)
    return Cost(
        ours=(time.process_time() - ours) / times * 1000,
        broker=(cpu_seconds(pid) - broker) / times * 1000,
        median=statistics.median(took),
        slowest_percent=sorted(took)[int(times * 0.99)],
    )


async def measure(kafka: KafkaServer, times: int) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    admin = Admin(settings=settings)
    await admin.open()
    await admin.apply(
        await admin.plan([TopicSpec(name=name, partitions=4) for name in ("in", "jobs", "status")])
    )
    await admin.close()
    protocols: dict[str, Protocol] = {
        "explicit": ExplicitTransactions(
            settings, transactional_id="explicit", group="bench", limits=Limits({}), failpoints=NO_FAILPOINTS
        ),
        "implicit": ImplicitTransactions(
            await BrokerClient.connected(settings),
            transactional_id="implicit",
            group="bench",
            limits=Limits({}),
            failpoints=NO_FAILPOINTS,
        ),
    }
    pid = kafka.pid
    assert pid is not None
    for protocol in protocols.values():
        await protocol.open()
        await run(protocol, records(1), WARM, 0, pid)
    print("records  rest ms  protocol   ours ms   broker ms   p50 ms   p99 ms")
    for each, rest in ((1, 0.0), (1, 0.005), (100, 0.0)):
        costs: dict[str, list[Cost]] = {name: [] for name in protocols}
        for _ in range(ROUNDS):
            for name, protocol in protocols.items():
                costs[name].append(await run(protocol, records(each), times, rest, pid))
        for name, rounds in costs.items():
            medians = "".join(f"{statistics.median(column):10.2f}" for column in zip(*rounds, strict=True))
            print(f"{each * 4:7}  {rest * 1000:7.0f}  {name}{medians}", flush=True)
    for protocol in protocols.values():
        await protocol.close(seconds=5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, KafkaServer(Path(folder) / "kafka") as server:
        uvloop.run(measure(server, int(sys.argv[1]) if len(sys.argv) > 1 else 300))
