"""The load of producers that write to Kafka themselves: events in a closed loop over the whole path.

`python bench/kafka_load.py ORDER_FILE RESULT_FILE` does what the order says and ends.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from http_load import Result
from tenant import RECIPIENTS, record
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, Publisher
from tocsin.runtime import Health

LOOK_EVERY = 0.01  # seconds
ANSWER_SECONDS = 30.0
TAKEN = 202
"""What ingest would have answered: the broker has the event."""


class KafkaOrder(msgspec.Struct, kw_only=True):
    """Event ids are `<prefix><number>`, recipients the tenant's in turn."""

    bootstrap_servers: str
    prefix: str
    lane: Lane
    count: int
    size: int
    """Events that are handed to the producer at once; it waits for their acknowledgement."""
    in_flight: int
    """Such groups at a time."""
    seconds: float
    sink_port: int
    window: int
    """Messages at most between producer and sink."""


def who(number: int) -> str:
    """Whom one event is for."""
    return RECIPIENTS[number % len(RECIPIENTS)]


class Load:
    """One order, carried out."""

    def __init__(self, order: KafkaOrder, publisher: Publisher) -> None:
        self._order = order
        self._publisher = publisher
        topics = Topics(KafkaSettings(bootstrap_servers=order.bootstrap_servers).topic_prefix)
        self._records = [
            record(f"{order.prefix}{number}", [who(number)], lane=order.lane, topics=topics)
            for number in range(order.count)
        ]
        self._next = 0
        self._room = order.window
        self._ended = False
        self._times: dict[int, tuple[float, float]] = {}

    async def run(self) -> Result:
        """Write everything, and wait for what is under way."""
        cpu = time.process_time()
        until = time.time() + self._order.seconds
        looking = asyncio.create_task(self._look())
        await asyncio.gather(*(self._write(until) for _ in range(self._order.in_flight)))
        self._ended = True
        await looking
        times = [self._times[number] for number in range(len(self._times))]
        return Result(
            planned=[planned for planned, _ in times],
            answered=[answered for _, answered in times],
            statuses=[TAKEN] * len(times),
            cpu_seconds=time.process_time() - cpu,
        )

    async def _write(self, until: float) -> None:
        while self._next < self._order.count and time.time() < until:
            start, end = self._next, min(self._next + self._order.size, self._order.count)
            if end > self._room:
                await asyncio.sleep(LOOK_EVERY / 2)
                continue
            self._next = end
            began = time.time()
            await self._publisher.publish(self._records[start:end], timeout=ANSWER_SECONDS)
            ended = time.time()
            self._times |= dict.fromkeys(range(start, end), (began, ended))

    async def _look(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._order.sink_port)
        while not self._ended:
            writer.write(b"count\n")
            self._room = int(await reader.readline()) + self._order.window
            await asyncio.sleep(LOOK_EVERY)
        writer.close()


async def carry_out(order: KafkaOrder) -> Result:
    """What came of it."""
    settings = KafkaSettings(bootstrap_servers=order.bootstrap_servers)
    publisher = Publisher(settings=settings, health=Health(service="bench"), max_bytes=1 << 30)
    await publisher.open()
    try:
        return await Load(order, publisher).run()
    finally:
        await publisher.close()


def main(order_file: str, result_file: str) -> None:
    """Carry the order out and write the result."""
    order = msgspec.json.decode(Path(order_file).read_bytes(), type=KafkaOrder)
    Path(result_file).write_bytes(msgspec.json.encode(uvloop.run(carry_out(order))))


if __name__ == "__main__":
    main(*sys.argv[1:])
