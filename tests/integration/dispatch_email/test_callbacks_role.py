"""`python -m tocsin.dispatch_email callbacks` as an operator runs it, on a broker that goes away and comes back."""

import asyncio
import json
import os
import re
import signal
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.codec import decode_status
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev import KafkaServer
from tocsin.kafka import Admin, ConsumerRecord, KafkaSettings, TopicSpec, partition_for, read_to_end
from tocsin.testing.jobs import job_for
from tocsin.testing.service_process import ServiceProcess, service_process
from tocsin.testing.span_collector import SpanCollector
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

PARTITIONS = 3
KEY = ec.generate_private_key(ec.SECP256R1())
TOKEN = "marked-token-" + "t" * 19
REF_KEY = RefKey("1", "k" * 32)
MARKERS = ("marked", "sealed-for-nobody", "kkkkkkkk")
"""What must be in no record, line, metric, span or answer: addresses and texts of providers, tokens, keys."""
SEALED: list[str] = []
"""Refs that were made; they must be nowhere either."""
PROVIDERS = """
[[providers]]
name = "sendgrid"
kind = "sendgrid"
api_key_file = "is-not-there"

[providers.receipts]
public_key_files = ["key"]

[[providers]]
name = "own"
kind = "smtp"
host = "mail.example.com"

[providers.receipts]
token_files = ["token"]
"""
DSN = """Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; server.example

Final-Recipient: rfc822; marked-address@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 marked-body

--b
Content-Type: text/rfc822-headers

Subject: marked-body
X-Tocsin-Ref: {ref}

--b--
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of our own: nobody else's may be frozen."""
    with KafkaServer(tmp_path_factory.mktemp("frozen")) as server:
        yield server


@asynccontextmanager
async def frozen(broker: KafkaServer) -> AsyncIterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    # On a busy machine its threads go on until one of them takes the signal.
    await until(lambda: psutil.Process(broker.pid).status() == psutil.STATUS_STOPPED, seconds=60)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


@pytest.fixture
def settings(broker: KafkaServer, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=topic_prefix)


@pytest.fixture
def env(settings: KafkaSettings, tmp_path: Path) -> dict[str, str]:
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key").write_text(b64encode(der).decode())
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": settings.topic_prefix,
        "DISPATCH_EMAIL_PROVIDERS_FILE": str(tmp_path / "providers.toml"),
        "DISPATCH_EMAIL_CALLBACKS_URL": "https://callbacks.example.com",
        "DISPATCH_REF_KEYS": f"{REF_KEY.id}:{REF_KEY.secret}",
        "EXIT_NOTES": "",
    }


async def make_topics(settings: KafkaSettings) -> None:
    admin = Admin(settings=settings)
    await admin.open()
    names = [Topics(settings.topic_prefix).status(lane) for lane in Lane]
    specs = [TopicSpec(name=name, partitions=PARTITIONS, cleanup="delete") for name in names]
    try:
        await admin.apply(await admin.plan(specs, []))
    finally:
        await admin.close()


async def records(settings: KafkaSettings) -> list[ConsumerRecord]:
    topic = Topics(settings.topic_prefix).status(Lane.TRANSACTIONAL)
    return [
        record async for batch in read_to_end(settings=settings, topic=topic, deadline=60) for record in batch
    ]


def ref(instance: str, recipient: str) -> str:
    refs = Refs([REF_KEY], channel=Channel.EMAIL, instance=instance)
    sealed = refs.seal(job_for(Channel.EMAIL, recipient=recipient)) or ""
    SEALED.append(sealed)
    return sealed


def event(name: str, recipient: str, **fields: Any) -> dict[str, Any]:
    return {
        "event": name, "email": "marked-address@example.org", "timestamp": 1_767_225_593, "sg_event_id": f"{name}-{recipient}",
        "url": "https://example.org/?token=marked-token", "reason": "550 5.1.1 marked-body", "tocsin_ref": ref("sendgrid", recipient),
    } | fields  # fmt: skip


async def tell(url: str, *events: dict[str, Any]) -> httpx.Response:
    body, at = json.dumps(events).encode(), str(round(time()))
    headers = {
        "x-twilio-email-event-webhook-signature": b64encode(
            KEY.sign(at.encode() + body, ec.ECDSA(SHA256()))
        ).decode(),
        "x-twilio-email-event-webhook-timestamp": at,
    }
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(f"{url}/callbacks/sendgrid", content=body, headers=headers)


async def hand_over(url: str, token: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(
            f"{url}/callbacks/own/mail",
            content=DSN.format(ref=ref("own", "bob")),
            headers={"authorization": f"Bearer {token}", "content-type": "message/rfc822"},
        )


async def everything_said(role: ServiceProcess, operations: str) -> str:
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{operations}/metrics")).text
    return metrics + role.log.read_text()


async def everything_told(env: dict[str, str], broker: KafkaServer, log: Path) -> str:
    """Have the role take what is right and what is not. What it has said then: lines, metrics, answers."""
    async with service_process("tocsin.dispatch_email", "callbacks", env=env, log=log) as role:
        await until(role.ready, seconds=120)
        operations, url = await role.addresses(2)

        events = (
            event("delivered", "ada"),
            event("open", "ada"),
            event("bounce", "eve", type="bounce", status="5.1.1"),
        )
        assert (await tell(url, *events)).status_code == 200
        assert (await hand_over(url, TOKEN)).status_code == 200
        assert (await hand_over(url, "marked-other")).status_code == 403
        assert (await tell(url, event("delivered", "ada", tocsin_ref="sealed-for-nobody"))).status_code == 200
        assert (await tell(url, event("delivered", "ada", tocsin_ref=ref("own", "ada")))).status_code == 200

        async with frozen(broker):
            away = await tell(url, event("click", "ada"))
        assert (away.status_code, away.json()["code"]) == (503, "not_known_to_be_stored")
        assert (await tell(url, event("click", "ada"))).status_code == 200

        said = await everything_said(role, operations)
        assert 'tocsin_receipts_total{channel="email",provider="sendgrid",status="delivered"} 1.0' in said
        assert 'tocsin_receipts_refused_total{cause="ref",channel="email",provider="sendgrid"} 2.0' in said
        assert 'tocsin_receipts_refused_total{cause="signature",channel="email",provider="own"} 1.0' in said
        role.process.terminate()
        assert await role.ended() == 0
        return said + role.log.read_text() + away.text


async def test_receipts_come_onto_status_also_over_a_broker_that_was_away(
    env: dict[str, str], settings: KafkaSettings, broker: KafkaServer, tmp_path: Path
) -> None:
    await make_topics(settings)
    with SpanCollector() as collector:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "TRACE_SAMPLE_RATIO": "1"}
        said = await everything_told(env | traced, broker, tmp_path / "log")
    assert "POST /callbacks/{instance}" in {span.name for span in collector.all_spans()}
    said += b"".join(collector.bodies).decode(errors="replace")

    stored = await records(settings)
    statuses = [
        status for record in stored if isinstance(status := decode_status(record.value or b""), Status)
    ]
    # The click was told twice: its first record may have been stored after all.
    assert {(status.status, status.recipient, status.reason) for status in statuses} == {
        ("delivered", "ada", None), ("opened", "ada", None), ("clicked", "ada", None),
        ("bounced", "eve", "hard_bounce"), ("bounced", "bob", "hard_bounce"),
    }  # fmt: skip
    assert len({status.status_id for status in statuses}) == 5
    for record, status in zip(stored, statuses, strict=True):
        assert record.key == f"acme/{status.recipient}".encode()
        assert record.partition == partition_for(record.key, PARTITIONS)
    said += "".join((record.value or b"").decode() for record in stored)
    assert [marker for marker in (*MARKERS, *SEALED) if marker in said] == []


async def test_a_role_that_is_killed_before_it_answers_loses_nothing_and_doubles_nothing(
    env: dict[str, str], settings: KafkaSettings, broker: KafkaServer, tmp_path: Path
) -> None:
    await make_topics(settings)
    events = [event("delivered", f"r-{number}") for number in range(200)]
    async with service_process("tocsin.dispatch_email", "callbacks", env=env, log=tmp_path / "log") as role:
        await until(role.ready, seconds=120)
        operations, url = await role.addresses(2)
        assert (
            await tell(url, event("open", "before"))
        ).status_code == 200  # connections to Kafka are open now
        async with frozen(broker):
            call = asyncio.create_task(tell(url, *events))
            await until(lambda: holds_bytes(operations), seconds=60)
            role.process.kill()
            with pytest.raises(httpx.HTTPError):
                await call
    async with service_process("tocsin.dispatch_email", "callbacks", env=env, log=tmp_path / "log2") as role:
        await until(role.ready, seconds=120)
        _, url = await role.addresses(2)
        assert (await tell(url, *events)).status_code == 200
    told = [
        status
        for record in await records(settings)
        if isinstance(status := decode_status(record.value or b""), Status) and status.status == "delivered"
    ]
    assert {status.recipient for status in told} == {f"r-{number}" for number in range(200)}
    assert len({status.status_id for status in told}) == 200


async def holds_bytes(operations: str) -> bool:
    """Whether records were given to Kafka that it has not acknowledged."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{operations}/metrics")).text
    held = re.search(r"^tocsin_producer_buffered_bytes\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return held is not None and float(held[1]) > 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"DISPATCH_REF_KEYS": ""}, "DISPATCH_REF_KEYS is not set"),
        ({"DISPATCH_REF_KEYS": "1:short"}, "a secret has at least 32 characters"),
        ({"DISPATCH_EMAIL_CALLBACKS_URL": "callbacks.example.com"}, "write an address such as"),
        ({"DISPATCH_EMAIL_PROVIDERS_FILE": "/not-there"}, "cannot be read"),
    ],
)
async def test_what_makes_no_sense_stops_the_start_with_a_sentence(
    env: dict[str, str], change: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    async with service_process(
        "tocsin.dispatch_email", "callbacks", env=env | change, log=tmp_path / "log"
    ) as role:
        assert await role.ended() == 2
        assert sentence in role.log.read_text()
