"""A broker that wants TLS and a password: what is stored and read there, and who is refused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.authority import make_authority

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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("authority"))


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
