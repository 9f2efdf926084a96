"""A dispatcher's lane in a process of its own, which freezes or dies where FAILPOINTS tells it to: see test_frozen_dispatchers.py.

Arguments: bootstrap servers, topic prefix, folder. Prints the body of each message that its provider is asked to send.
"""

import asyncio
import sys
from pathlib import Path

from tests.integration.channel.conftest import Bench, Phone

from tocsin.channel import Answer
from tocsin.contracts.jobs import Job, SmsContent
from tocsin.kafka import KafkaSettings
from tocsin.runtime import ServiceSettings, arm, load_settings


class PrintingPhone(Phone):
    """Tells its parent what it is asked."""

    async def send(self, job: Job) -> Answer:
        assert isinstance(job.private.content, SmsContent)
        sys.stdout.write(f"{job.private.content.body}\n")
        sys.stdout.flush()
        return await super().send(job)


async def work(servers: str, prefix: str, folder: str) -> None:
    bench = Bench(KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix), Path(folder))
    await bench.publisher.open()
    await bench.offsets.open()
    failpoints = arm(load_settings(ServiceSettings).failpoints)
    async with bench.dispatcher(PrintingPhone(), failpoints=failpoints) as running:
        await asyncio.wait([running])


asyncio.run(work(*sys.argv[1:]))
