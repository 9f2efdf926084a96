"""Links of tracked mails at the role as an operator runs it, without a provider that tells anything."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tocsin.channel.ref import RefKey
from tocsin.contracts.codec import decode_status
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dispatch_email.tracking import Tracking
from tocsin.kafka import Admin, KafkaSettings, TopicSpec, read_to_end
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for
from tocsin.testing.service_process import service_process
from tocsin.testing.span_collector import SpanCollector
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

KEY = RefKey("1", "k" * 32)
BASE = "http://links.example/email"
HTML = '<p>marked-body</p><a href="https://shop.example/?token=marked-token">Shop</a>'
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}


@pytest.fixture
def kafka_settings(kafka_server: str, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)


@pytest.fixture
def env(kafka_settings: KafkaSettings, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "providers.toml").write_text(
        '[[providers]]\nname = "own"\nkind = "smtp"\nhost = "mail.example.com"\n'
    )
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_settings.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": kafka_settings.topic_prefix,
        "DISPATCH_EMAIL_PROVIDERS_FILE": str(tmp_path / "providers.toml"),
        "DISPATCH_EMAIL_CALLBACKS_URL": "https://callbacks.example.com",
        "DISPATCH_EMAIL_TRACKING_URL": BASE,
        "DISPATCH_REF_KEYS": f"{KEY.id}:{KEY.secret}",
        "EXIT_NOTES": "",
    }


async def topic_of(settings: KafkaSettings) -> str:
    topic = Topics(settings.topic_prefix).status(Lane.TRANSACTIONAL)
    admin = Admin(settings=settings)
    await admin.open()
    try:
        await admin.apply(await admin.plan([TopicSpec(name=topic, partitions=1, cleanup="delete")], []))
    finally:
        await admin.close()
    return topic


def links(recipient: str) -> list[str]:
    """The paths of a mail that was sent long ago: its link, its picture."""
    job = job_for(Channel.EMAIL, recipient=recipient, tracking="individual")
    tracking = Tracking(url=BASE, keys=[KEY], clock=ManualClock())
    html = tracking.content(job, EmailContent(subject="Hello", html=HTML)).html or ""
    return re.findall(rf'"{BASE}(/t/[^"]+)"', html)


async def test_links_lead_on_and_are_told_and_nothing_says_where_they_led(
    env: Mapping[str, str], kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    topic, (link, picture) = await topic_of(kafka_settings), links("ada")
    with SpanCollector() as collector:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "TRACE_SAMPLE_RATIO": "1"}
        async with service_process(
            "tocsin.dispatch_email", "callbacks", env={**env, **traced}, log=tmp_path / "log"
        ) as role:
            await until(role.ready, seconds=120)
            _, url = await role.addresses(2)
            async with httpx.AsyncClient(base_url=url, headers=PERSON, timeout=60) as client:
                led = await client.get(link)
                assert (led.status_code, led.headers["location"]) == (
                    302, "https://shop.example/?token=marked-token",
                )  # fmt: skip
                assert (await client.head(links("eve")[0])).status_code == 302
                assert (await client.get(picture)).headers["content-type"] == "image/gif"
                assert (await client.get("/t/made-up")).status_code == 404
                assert (await client.post(link)).status_code == 405
            role.process.terminate()
            assert await role.ended() == 0
        said = role.log.read_text() + b"".join(collector.bodies).decode(errors="replace")
    assert "GET /t/{token}" in {span.name for span in collector.all_spans()}
    records = [
        record
        async for batch in read_to_end(settings=kafka_settings, topic=topic, deadline=60)
        for record in batch
    ]
    statuses = [
        status for record in records if isinstance(status := decode_status(record.value or b""), Status)
    ]
    assert sorted((s.status, s.recipient, bool(s.receipt and s.receipt.automated)) for s in statuses) == [
        ("clicked", "ada", False), ("clicked", "eve", True), ("opened", "ada", False),
    ]  # fmt: skip
    said += "".join((record.value or b"").decode() for record in records)
    for marker in ("shop.example", "marked", link.removeprefix("/t/"), KEY.secret):
        assert marker not in said


async def test_without_an_address_and_without_receipts_the_role_has_nothing_to_do(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    without = {name: value for name, value in env.items() if name != "DISPATCH_EMAIL_TRACKING_URL"}
    async with service_process(
        "tocsin.dispatch_email", "callbacks", env=without, log=tmp_path / "log"
    ) as role:
        assert await role.ended() == 2
        assert "no instance has a table [providers.receipts]" in role.log.read_text()
