"""How a dispatcher's process ends, or stays, where a person has to act."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.lane_topics import make_topics

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.runtime import Health
from tocsin.testing.service_process import ServiceProcess, service_process
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

PROVIDERS = """
[[providers]]
name = "nobody"
kind = "twilio"
base_url = "http://127.0.0.1:9"
account_sid = "AC00000000000000000000000000000001"
auth_token_file = "token"
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Topics of the critical lane, and how a dispatcher for it is started."""

    kafka: KafkaSettings
    folder: Path

    @property
    def topics(self) -> Topics:
        return Topics(self.kafka.topic_prefix)

    async def prepare(self, *, with_starts: bool) -> None:
        await make_topics(self.kafka, Channel.SMS, Lane.CRITICAL, partitions=2, with_starts=with_starts)

    async def publish(self, *values: bytes, topic: str = "", partition: int | None = None) -> None:
        publisher = Publisher(settings=self.kafka, health=Health())
        await publisher.open()
        topic = topic or self.topics.jobs(Channel.SMS, Lane.CRITICAL)
        records = [ProducerRecord(topic, b"acme/ada", value, partition=partition) for value in values]
        await publisher.publish(records, timeout=30)
        await publisher.close()

    @asynccontextmanager
    async def dispatcher(self, lanes: str = "critical") -> AsyncIterator[ServiceProcess]:
        (self.folder / "providers.toml").write_text(PROVIDERS)
        (self.folder / "token").write_text("secret")
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "DISPATCH_SMS_PROVIDERS_FILE": str(self.folder / "providers.toml"),
            "DISPATCH_SMS_SHARDS": "2",
            "LANES": lanes,
        }
        async with service_process("tocsin.dispatch_sms", env=env, log=self.folder / "log") as dispatcher:
            yield dispatcher


@pytest.fixture
def site(kafka_server: str, topic_prefix: str, tmp_path: Path) -> Site:
    return Site(
        kafka=KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix), folder=tmp_path
    )


async def test_a_missing_start_offset_ends_it_with_the_command_and_no_traceback(site: Site) -> None:
    await site.prepare(with_starts=False)
    async with site.dispatcher() as dispatcher:
        assert await dispatcher.ended() == 3
    (line,) = dispatcher.said("failed")
    assert line["reason"].startswith("Group ")
    assert line["reason"].endswith(": run `tocsin topics apply`.")
    assert not any("exception" in line for line in dispatcher.lines())


async def test_many_jobs_that_cannot_be_read_leave_it_standing_with_the_reason(site: Site) -> None:
    await site.prepare(with_starts=True)
    await site.publish(*[b"no job"] * 20)
    async with (
        site.dispatcher() as dispatcher,
        httpx.AsyncClient(base_url=(await dispatcher.addresses())[0]) as client,
    ):

        async def says_why() -> bool:
            return "of the last" in (await client.get("/readyz")).text

        await until(says_why, seconds=90)
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert dispatcher.process.returncode is None
        dispatcher.process.send_signal(signal.SIGTERM)
        await dispatcher.ended()
    assert not any("exception" in line for line in dispatcher.lines())
