"""A broker that wants TLS and a password: what is stored and read there, and who is refused."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from tocsin.dev.kafka import KafkaServer
from tocsin.dev.kafka_settings import Secured
from tocsin.kafka import (
    ConsumerRecord,
    KafkaFault,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    Replica,
    read_to_end,
)
from tocsin.runtime import Health
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

USER, PASSWORD = "tocsin", "s3cret"


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(subject: str, key: ec.EllipticCurvePrivateKey, *, issuer: str) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, and `broker.pem`: key and certificate of 127.0.0.1, signed by it."""
    folder = tmp_path_factory.mktemp("authority")
    own, brokers = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("test authority", own, issuer="test authority").add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    leaf = certificate("broker", brokers, issuer="test authority").add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.sign(own, hashes.SHA256()).public_bytes(pem))
    key = brokers.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "broker.pem").write_bytes(key + leaf.sign(own, hashes.SHA256()).public_bytes(pem))
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[KafkaServer]:
    secured = Secured(certificate=authority / "broker.pem", users={USER: PASSWORD})
    with KafkaServer(tmp_path_factory.mktemp("secured"), secured=secured) as server:
        yield server


@pytest.fixture(scope="module")
def kafka_server(broker: KafkaServer) -> str:
    """Topics are made where no password is asked for."""
    return broker.bootstrap_servers


@pytest.fixture(params=["PLAIN", "SCRAM-SHA-512"])
def secured(
    request: pytest.FixtureRequest, broker: KafkaServer, authority: Path, topic_prefix: str
) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=broker.secured_bootstrap_servers,
        security_protocol="SASL_SSL",
        sasl_mechanism=request.param,
        sasl_username=USER,
        sasl_password=SecretStr(PASSWORD),
        ssl_cafile=authority / "ca.pem",
        topic_prefix=topic_prefix,
    )


async def read(settings: KafkaSettings, topic: str) -> list[bytes | None]:
    batches = read_to_end(settings=settings, topic=topic, deadline=30)
    return [record.value async for batch in batches for record in batch]


async def test_what_is_stored_there_is_read_there(stage: Any, secured: KafkaSettings) -> None:
    await stage.topics("directory", partitions=1, compact=True)
    topic, health = stage.topic("directory"), Health(service="secured")
    publisher = Publisher(settings=secured, health=health)
    await publisher.open()
    await publisher.publish([ProducerRecord(topic, b"a", b"1")], timeout=20)
    assert await read(secured, topic) == [b"1"]

    state: dict[bytes | None, bytes | None] = {}

    def apply(record: ConsumerRecord) -> None:
        state[record.key] = record.value

    replica = Replica(settings=secured, topic=topic, apply=apply, health=health)
    await replica.open()
    assert state == {b"a": b"1"}
    stop = asyncio.Event()
    following = asyncio.create_task(replica.run(stop))
    await publisher.publish([ProducerRecord(topic, b"b", b"2")], timeout=20)
    await until(lambda: state == {b"a": b"1", b"b": b"2"})
    assert set(health.reasons().values()) == {None}
    stop.set()
    await following
    await replica.close()
    await publisher.close()


@pytest.mark.parametrize("wrong", [{"sasl_password": SecretStr("guess")}, {"ssl_cafile": None}])
async def test_nobody_reads_with_a_wrong_password_or_without_trust(
    stage: Any, secured: KafkaSettings, wrong: dict[str, Any]
) -> None:
    await stage.topics("directory", partitions=1)
    with pytest.raises(KafkaFault):
        await read(secured.model_copy(update=wrong), stage.topic("directory"))
