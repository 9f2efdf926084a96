"""Mails with attachments through dispatch-email in a process of its own: killed between fetching and sending, and with a hundred large ones."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.attached_files import PDF, attachment, mail_with
from tests.integration.dispatch_email.file_server import FileServer
from tests.integration.dispatch_email.scripted_smtp import ScriptedServer
from tests.lane_topics import make_topics

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.runtime import Health
from tocsin.testing.service_process import ServiceProcess, service_process
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

PROVIDERS = """
[[providers]]
name = "primary"
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
"""
LARGE = 10 * 1024 * 1024
MAILS = 100
MOST_MIB = 512
"""What a Pod of dispatch-email may take: `deploy/k8s/base/workers/dispatch-email.yaml`."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Topics of a lane, a mail server, and how dispatch-email is started between them."""

    kafka: KafkaSettings
    folder: Path
    smtp: ScriptedServer

    @property
    def topics(self) -> Topics:
        return Topics(self.kafka.topic_prefix)

    async def prepare(self) -> None:
        await make_topics(self.kafka, Channel.EMAIL, Lane.TRANSACTIONAL, partitions=1)

    async def publish(self, jobs: Sequence[Job]) -> None:
        publisher = Publisher(settings=self.kafka, health=Health())
        await publisher.open()
        topic = self.topics.jobs(Channel.EMAIL, Lane.TRANSACTIONAL)
        records = [
            ProducerRecord(topic, recipient_key(job.tenant, job.recipient), encode(job)) for job in jobs
        ]
        await publisher.publish(records, timeout=30)
        await publisher.close()

    @asynccontextmanager
    async def dispatcher(self, **env: str) -> AsyncIterator[ServiceProcess]:
        (self.folder / "providers.toml").write_text(PROVIDERS.format(port=self.smtp.port))
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "DISPATCH_EMAIL_PROVIDERS_FILE": str(self.folder / "providers.toml"),
            "DISPATCH_EMAIL_SHARDS": "1",
            "LANES": "transactional",
            "OUTGOING_ALLOW": "127.0.0.1:*",
        }
        log = self.folder / f"log-{len(list(self.folder.glob('log-*')))}"
        async with service_process("tocsin.dispatch_email", env=settings | env, log=log) as dispatcher:
            yield dispatcher


@pytest.fixture
async def site(kafka_server: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Site]:
    smtp = ScriptedServer()
    smtp.extensions[0] = "SIZE 100000000"
    await smtp.listen()
    kafka = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    site = Site(kafka=kafka, folder=tmp_path, smtp=smtp)
    await site.prepare()
    yield site
    await smtp.end()


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with FileServer.listening() as server:
        server.files["/invoice.pdf"] = PDF
        yield server


async def test_killed_between_fetching_and_sending_it_fetches_again_and_sends_once(
    site: Site, files: FileServer
) -> None:
    await site.publish([mail_with(attachment(url=f"{files.url}/invoice.pdf"))])
    async with site.dispatcher(FAILPOINTS="before_call=kill") as dispatcher:
        assert await dispatcher.ended() == -signal.SIGKILL
    assert (files.asked["/invoice.pdf"], site.smtp.messages) == (1, [])
    async with site.dispatcher() as dispatcher:
        await until(lambda: len(site.smtp.messages) == 1, seconds=90)
        dispatcher.process.send_signal(signal.SIGTERM)
        await dispatcher.ended()
    assert files.asked["/invoice.pdf"] == 2
    [message] = site.smtp.messages
    [part] = message_from_bytes(message, policy=policy.SMTP).iter_attachments()
    assert part.get_content() == PDF
    logs = "".join(log.read_text() for log in site.folder.glob("log-*"))
    assert "marked" not in logs
    assert files.url not in logs


@pytest.mark.nightly
async def test_a_hundred_mails_of_ten_mebibytes_take_bounded_memory(site: Site, files: FileServer) -> None:
    jobs = [large_mail(files, number) for number in range(MAILS)]
    taken: list[bytes] = []
    site.smtp.messages = _Hashes(taken)
    await site.publish(jobs)
    peak = 0
    async with site.dispatcher() as dispatcher:
        while len(taken) < MAILS:
            peak = max(peak, _pss_mib(dispatcher.process.pid))
            assert dispatcher.process.returncode is None
            await asyncio.sleep(0.05)
        dispatcher.process.send_signal(signal.SIGTERM)
        await dispatcher.ended()
    assert len(set(taken)) == MAILS
    assert peak < MOST_MIB * 0.75, f"{peak} MiB"


class _Hashes(list[bytes]):
    """Keeps the hash of each mail in place of the mail."""

    def __init__(self, taken: list[bytes]) -> None:
        super().__init__()
        self._taken = taken

    def append(self, mail: bytes) -> None:
        self._taken.append(sha256(mail).digest())


def large_mail(files: FileServer, number: int) -> Job:
    """Each has a file and a recipient of its own."""
    content = number.to_bytes(2) * (LARGE // 2)
    files.files[f"/{number}"] = content
    job = mail_with(attachment(content, url=f"{files.url}/{number}"), delivery_id=f"d{number}")
    return replace(job, recipient=f"r{number}")


def _pss_mib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no Pss")
