"""Of 1,000 endpoints 50 hang: how long do messages to the others wait?

`python bench/webhooks_apart.py [messages a second] [seconds] [rounds]` hands webhooks at an even rate to 1,000 endpoints of 40 tenants, which
another process serves, in each round once while all of them answer and once while 50 never do, so that what else the machine does falls on both. It
prints how long messages to the other 950 took from when they were due until they were answered. The target: with 50 that hang the 99th percentile
is at most 1.2 times that without, or 10 ms more; of each case the median of the rounds counts.
"""

import asyncio
import base64
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, cast

import uvloop

from tocsin.channel.answers import Accepted
from tocsin.channel.breaker import POLICY
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.provider import Provider
from tocsin.channel.provider_instance import ProviderInstance
from tocsin.channel.retry_policy import Try
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import WebhookEndpointRecord, endpoint_seal
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.dispatch_webhook.webhook import WebhookConfig, WebhookProvider
from tocsin.kafka import ConsumerRecord
from tocsin.runtime import SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.jobs import job_for
from tocsin.trust import Seal

ENDPOINTS, HANGING, TENANTS = 1000, 50, 40
SEAL = Seal([("bench", "s" * 32)])
ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """Answers each request with 204, but none to `/hang/…`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(rest) < int(length or 0):
            return
        self._received = b""
        if not head.startswith(b"POST /hang/"):
            self._transport.write(ANSWER)


async def _serve(told: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=2048)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(told: Connection) -> None:
    """What the other process does until it is ended."""
    uvloop.run(_serve(told))


class Load:
    """Carries deliveries as a shard does, but tries each once and records nothing."""

    wants_room = False

    def __init__(self) -> None:
        self.took: list[float] = []
        self.expected = sys.maxsize
        """So many are to be taken."""
        self.all_taken = asyncio.Event()

    def expect(self, messages: int) -> None:
        """Set `all_taken` when so many are."""
        self.expected = messages
        self._look()

    def _look(self) -> None:
        if len(self.took) >= self.expected:
            self.all_taken.set()

    def enqueue(self, delivery: Delivery) -> None:
        """Nothing is chosen anew: there is one provider."""

    def set_aside(self, delivery: Delivery, seconds: float) -> None:
        """Never asked for: `wants_room` is false."""

    async def carry(self, delivery: Delivery, provider: Provider, deadline: CallDeadline) -> None:  # noqa: ARG002 - a carrier's
        """One call."""
        answer = await provider.send(delivery.job)
        delivery.tries.append(Try(provider.name, answer))
        if isinstance(answer, Accepted):
            self.took.append(time.perf_counter() - delivery.taken_at)
            self._look()


def endpoints(url: str, *, hanging: int) -> Endpoints:
    """All of them, of which the first `hanging` never answer."""
    copy = Endpoints(seal=SEAL)
    for number in range(ENDPOINTS):
        tenant, key = f"t{number % TENANTS}", f"e{number}"
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        record = WebhookEndpointRecord(
            tenant=tenant,
            key=key,
            url=f"{url}/{'hang' if number < hanging else 'hook'}/{number}",
            event_types=["*"],
            secrets=[SEAL.seal(secret, tenant=tenant, entity=endpoint_seal(key))],
        )
        copy.apply(ConsumerRecord("directory", 0, 0, 0, record.record_key, encode(record)))
    return copy


async def measured(url: str, *, hanging: int, rate: float, seconds: float) -> list[float]:
    """Seconds that each message to an endpoint that answers took, sorted."""
    clock, load, lane = SystemClock(), Load(), Lane.TRANSACTIONAL
    provider = WebhookProvider(
        WebhookConfig(name="webhooks", kind="webhook"),
        clock,
        endpoints=endpoints(url, hanging=hanging),
        allowed=AllowedTargets(["127.0.0.1:*"]),
    )
    instance = ProviderInstance(
        provider,
        places=1024,
        lanes={lane: LaneLimit(100_000, on_room=lambda: None)},
        channel=Channel.WEBHOOK,
        clock=clock,
        policy=POLICY,
    )
    await instance.open()
    record = ConsumerRecord("jobs", 0, 0, 0, b"", b"")
    began, sent = time.perf_counter(), 0
    while sent < rate * seconds:
        due = began + sent / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        number = sent % ENDPOINTS
        job: Any = job_for(
            Channel.WEBHOOK, tenant=f"t{number % TENANTS}", address_key=f"e{number}", recipient=f"r{sent}"
        )
        instance.put(lane, Delivery(load, record, job, b"", taken_at=due))
        sent += 1
    load.expect(sum(number % ENDPOINTS >= hanging for number in range(sent)))
    await load.all_taken.wait()
    for call in instance.cancel(load):
        await asyncio.wait([call])
    instance.drop(load)
    await instance.close()
    return sorted(load.took)


def _line(hanging: int, took: list[float]) -> float:
    """Print what these took; their 99th percentile in ms."""
    p99 = took[int(len(took) * 0.99)] * 1000
    print(
        f"{hanging:4d} of them hang {len(took):9d} {took[len(took) // 2] * 1000:11.1f} {p99:8.1f} {took[-1] * 1000:12.1f}"
    )
    return p99


def _given(place: int, otherwise: float) -> float:
    return float(sys.argv[place]) if len(sys.argv) > place else otherwise


def main() -> None:
    rate, seconds, rounds = _given(1, 200.0), _given(2, 20.0), int(_given(3, 3))
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    print(
        f"{ENDPOINTS} endpoints of {TENANTS} tenants, {rate:g} messages a second for {seconds:g} s, {rounds} rounds"
    )
    print("                  messages   median ms   p99 ms   longest ms")
    p99s: dict[int, list[float]] = {0: [], HANGING: []}
    for number in range(rounds):
        for hanging in sorted(p99s, reverse=bool(number % 2)):
            took = uvloop.run(measured(url, hanging=hanging, rate=rate, seconds=seconds))
            p99s[hanging].append(_line(hanging, took))
    alone, beside = median(p99s[0]), median(p99s[HANGING])
    bound = max(alone * 1.2, alone + 10)
    print(f"median of p99: {alone:.1f} ms, beside those that hang {beside:.1f} ms")
    print(f"target: at most {bound:.1f} ms; {'met' if beside <= bound else 'missed'}")
    process.terminate()


if __name__ == "__main__":
    main()
