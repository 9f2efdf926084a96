"""How much do 10,000 open streams of inboxes cost one process of `dispatch-inapp`?

`python bench/inbox_streams.py [streams] [seconds] [messages a second]` starts Kafka, PostgreSQL and the service, opens the streams as fast as they are
let in, each of a recipient of its own, while another caller asks the API for counts all the time; looks at the process at rest; then sends
messages to recipients at random. It prints memory (PSS), processor time, and how long it took until a stream was open and until it told of a
message. Each stream is a connection: both processes need as many file descriptors and 500 more (`ulimit -n`).
"""

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import jwt

from processor_time import cpu_seconds, pss_mb
from tocsin.cli.topics import apply_registry
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import InboxKey, InboxKeysRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.postgres import PostgresServer
from tocsin.dispatch_inapp.tickets import Tickets
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.runtime import Health, SystemClock
from tocsin.testing.jobs import job_for
from tocsin.testing.service_process import ServiceProcess, service_process
from tocsin.testing.until import until
from tocsin.trust import Seal, TokenHolder

SECRET, TENANT, LANE = "a-secret-of-the-tenant-of-the-bench", "acme", Lane.TRANSACTIONAL
SEAL_SECRET = "s" * 32
SPARE = 500
"""File descriptors beside those of the streams."""
TOPICS = Topics()


class Stream(asyncio.Protocol):
    """One stream. It keeps when it was asked for, when it told the counts, and when it told of an item."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._buffer = b""
        self.asked = time.perf_counter()
        self.began: float | None = None
        self.items: list[float] = []
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(f"GET {self._target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *events, self._buffer = self._buffer.split(b"\n\n")
        for event in events:
            if b"event: item" in event:
                self.items.append(time.perf_counter())
            elif b"event: counts" in event and self.began is None:
                self.began = time.perf_counter()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost = True


def token(recipient: str) -> str:
    """Of a recipient, for an hour."""
    now = int(time.time())
    claims = {"tid": TENANT, "sub": recipient, "aud": "tocsin:inbox", "iat": now, "exp": now + 3600}
    return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "bench"})


@asynccontextmanager
async def service(kafka: str, database: str, folder: Path, streams: int) -> AsyncIterator[ServiceProcess]:
    """The service, ready, with a key of the tenant."""
    await apply_registry(KafkaSettings(bootstrap_servers=kafka), partitions=4, replication_factor=1)
    seal = Seal([("bench", SEAL_SECRET)])
    sealed = seal.seal(SECRET, tenant=TENANT, entity="inbox_key/bench")
    keys = InboxKeysRecord(
        tenant=TENANT, keys=[InboxKey(id="bench", algorithm="HS256", sealed=sealed)], origins=[]
    )
    async with publisher(kafka) as to_kafka:
        await to_kafka.publish([ProducerRecord(TOPICS.directory, keys.record_key, encode(keys))], timeout=30)
    providers = folder / "providers.toml"
    providers.write_text('[[providers]]\nname = "inbox"\nkind = "inbox"\n')
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": database,
        "DISPATCH_INAPP_PROVIDERS_FILE": str(providers),
        "DISPATCH_INAPP_SHARDS": "2",
        "LANES": LANE.value,
        "SEAL_KEYS": f"bench:{SEAL_SECRET}",
        "HTTP_CONNECTIONS": str(streams + SPARE),
        "LOG_LEVEL": "WARNING",
    }
    async with service_process(
        "tocsin.dispatch_inapp", "migrate", env=env, log=folder / "migrate.log"
    ) as migrating:
        if await migrating.ended():
            raise SystemExit((folder / "migrate.log").read_text())
    async with service_process(
        "tocsin.dispatch_inapp", env=env | {"LOG_LEVEL": "INFO"}, log=folder / "service.log"
    ) as running:
        await until(running.ready, seconds=60)
        yield running


@asynccontextmanager
async def publisher(kafka: str) -> AsyncIterator[Publisher]:
    """One that is open."""
    opened = Publisher(settings=KafkaSettings(bootstrap_servers=kafka), health=Health())
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def open_streams(url: str, count: int) -> list[Stream]:
    """All of them, as fast as they are let in."""
    loop, port = asyncio.get_running_loop(), urlsplit(url).port or 0
    tickets = Tickets(seal=Seal([("bench", SEAL_SECRET)]), clock=SystemClock())
    at_once = asyncio.Semaphore(500)  # the listening queue's length is a setting of the machine

    async def one(number: int) -> Stream:
        holder = _holder(f"r{number}")
        target = f"/v1/inbox/events?ticket={quote(tickets.make(holder))}"
        async with at_once:
            _, stream = await loop.create_connection(lambda: Stream(target), "127.0.0.1", port)
        return stream

    streams = await asyncio.gather(*(one(number) for number in range(count)))
    await until(lambda: all(stream.began or stream.lost for stream in streams), seconds=300)
    return list(streams)


def _holder(recipient: str) -> TokenHolder:
    return TokenHolder(tenant=TENANT, recipient=recipient, expires_at=datetime.now(UTC) + timedelta(hours=1))


async def ask_all_the_time(url: str, took: list[float]) -> None:
    """Counts, one call after the other, by somebody who follows nothing."""
    head = {"authorization": f"Bearer {token('caller')}"}
    async with httpx.AsyncClient(base_url=url, headers=head, timeout=60) as client:
        while True:
            began = time.perf_counter()
            (await client.get("/v1/inbox/counts")).raise_for_status()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)


async def send(kafka: str, streams: list[Stream], rate: float, seconds: float) -> list[float]:
    """Messages to recipients at random; how long it took until the stream of each told of it."""
    chance, pace, topic = random.Random(1), 1 / rate, TOPICS.jobs(Channel.INAPP, LANE)
    due: dict[int, list[float]] = {}
    async with publisher(kafka) as to_kafka:
        begin = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begin + number * pace - time.perf_counter()))
            who = chance.randrange(len(streams))
            job = job_for(
                Channel.INAPP, tenant=TENANT, recipient=f"r{who}", delivery_id=str(uuid4()), lane=LANE
            )
            due.setdefault(who, []).append(time.perf_counter())
            record = ProducerRecord(topic, recipient_key(job.tenant, job.recipient), encode(job))
            await to_kafka.publish([record], timeout=30)
    await until(lambda: all(len(streams[who].items) >= len(times) for who, times in due.items()), seconds=60)
    return [
        told - sent
        for who, times in due.items()
        for sent, told in zip(times, streams[who].items, strict=False)
    ]


def shown(what: str, seconds: list[float]) -> str:
    """Percentiles, in milliseconds."""
    ordered = sorted(seconds)
    at = [1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99, 1)]
    return f"{what}: p50 {at[0]:.0f} ms, p99 {at[1]:.0f} ms, longest {at[2]:.0f} ms ({len(ordered)})"


async def measure(
    kafka: str, database: str, folder: Path, *, count: int, seconds: float, rate: float
) -> None:
    """One run, printed as it goes."""
    async with service(kafka, database, folder, count) as running:
        pid, url = running.process.pid, (await running.addresses(2))[1]
        before, took = pss_mb(pid), list[float]()
        caller = asyncio.create_task(ask_all_the_time(url, took))
        await asyncio.sleep(2)
        print(shown("a call before", took))
        took.clear()
        began, used = time.perf_counter(), cpu_seconds(pid)
        streams = await open_streams(url, count)
        lasted = time.perf_counter() - began
        print(
            f"{count} streams were open after {lasted:.1f} s ({sum(stream.lost for stream in streams)} lost)"
        )
        print(f"processor time of that: {cpu_seconds(pid) - used:.1f} s")
        print(
            shown(
                "until a stream told the counts",
                [stream.began - stream.asked for stream in streams if stream.began],
            )
        )
        print(shown("a call meanwhile", took))
        caller.cancel()
        await asyncio.sleep(2)
        print(f"memory: {before:.0f} MB before, {pss_mb(pid):.0f} MB with them")
        used = cpu_seconds(pid)
        await asyncio.sleep(seconds)
        print(f"at rest: {100 * (cpu_seconds(pid) - used) / seconds:.1f} % of a core")
        used = cpu_seconds(pid)
        told = await send(kafka, streams, rate, seconds)
        print(
            f"at {rate:g} messages/s: {100 * (cpu_seconds(pid) - used) / seconds:.0f} % of a core, {pss_mb(pid):.0f} MB"
        )
        print(shown("from the job to the stream", told))
        for stream in streams:
            stream.transport.abort()


def main(count: int = 10_000, seconds: float = 30, rate: float = 50) -> None:
    """Start what it needs, and measure."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + SPARE:
        raise SystemExit(
            f"{count} streams need {count + SPARE} file descriptors; the limit is {hard}: ulimit -Hn"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the service inherits it
    with (
        tempfile.TemporaryDirectory() as name,
        KafkaServer(Path(name) / "kafka") as kafka,
        PostgresServer(Path(name) / "postgres") as postgres,
    ):
        run = measure(
            kafka.bootstrap_servers, postgres.url, Path(name), count=count, seconds=seconds, rate=rate
        )
        asyncio.run(run)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(text) for text in given[:1]), *(float(text) for text in given[1:3]))
