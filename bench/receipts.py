"""How long a callback takes to become a status on Kafka: signed as Twilio signs, at a fixed rate, against the local stack.

    make up
    .venv/bin/python bench/receipts.py --rate 50 --seconds 30

Calls begin at their time whether those before them have ended or not. Both times are those of a caller: until the answer, and until a
consumer has the status.
"""

import argparse
import asyncio
import hmac
import json
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode

import httpx
from aiokafka import AIOKafkaConsumer

from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.providers import TWILIO_TOKEN
from tocsin.testing.jobs import job_for
from tocsin.testing.until import until

PATIENCE = 60.0
"""Seconds after the last call within which each status must have come."""


class Statuses:
    """When a consumer had the status of each recipient."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = AIOKafkaConsumer(
            Topics().status(Lane.TRANSACTIONAL),
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        self.at: dict[str, float] = {}

    async def open(self) -> None:
        """From the ends of all partitions on."""
        await self._consumer.start()
        await self._consumer.seek_to_end()
        for partition in self._consumer.assignment():
            await self._consumer.position(partition)

    async def read(self) -> None:
        """Until cancelled."""
        async for record in self._consumer:
            self.at.setdefault((record.key or b"").decode(), time.perf_counter())

    async def close(self) -> None:
        """Leave the broker."""
        await self._consumer.stop()


class Calls:
    """Signed callbacks, each of a recipient of its own."""

    def __init__(self, *, url: str, ref_secret: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._refs = Refs([RefKey("local", ref_secret)], channel=Channel.SMS, instance="catcher")
        self.begun: dict[str, float] = {}
        self.answered: list[float] = []
        self.refused = 0

    async def call(self, number: int) -> None:
        """One; a refused one is counted."""
        recipient = f"bench-{time.time_ns()}-{number}"
        job = job_for(Channel.SMS, recipient=recipient)
        url = f"{self._url}?ref={self._refs.seal(job)}"
        fields = {"MessageSid": f"SM{number:032x}", "MessageStatus": "delivered"}
        signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
        signature = b64encode(hmac.digest(TWILIO_TOKEN.encode(), signed.encode(), "sha1")).decode()
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        begun = self.begun[f"{job.tenant}/{recipient}"] = time.perf_counter()
        answer = await self._client.post(url, content=urlencode(fields), headers=headers)
        self.answered.append(time.perf_counter() - begun)
        self.refused += answer.status_code != httpx.codes.OK


async def measure(folder: Path, *, rate: float, seconds: float) -> str:
    """One line of figures."""
    stack = json.loads((folder / "endpoints.json").read_text())
    secret = json.loads((folder / "data" / "ref-secret.json").read_text())["secret"]
    statuses = Statuses(stack["kafka"])
    await statuses.open()
    reading = asyncio.create_task(statuses.read())
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None)) as client:
        calls = Calls(url=f"{stack['entry']}/sms/callbacks/catcher", ref_secret=secret, client=client)
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
                group.create_task(calls.call(number))
        await until(lambda: calls.begun.keys() <= statuses.at.keys(), seconds=PATIENCE)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await statuses.close()
    told = [statuses.at[key] - begun for key, begun in calls.begun.items()]
    return f"{len(told)} calls, {calls.refused} refused; answer {_figures(calls.answered)}; status {_figures(told)}"


def _figures(times: list[float]) -> str:
    ordered = sorted(times)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, largest {ordered[-1] * 1000:.0f} ms"


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path(".dev"), help="the local stack's folder")
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    print(asyncio.run(measure(given.folder, rate=given.rate, seconds=given.seconds)))


if __name__ == "__main__":
    main()
