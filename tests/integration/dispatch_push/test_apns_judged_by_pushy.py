"""Requests and tokens of ours are taken by Pushy's mock of APNs, which checks them as APNs does."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.integration.dispatch_push.apns_server import KEY, KEY_ID, TEAM_ID, TOPIC, pem
from tests.integration.dispatch_push.certificates import certificate_of_loopback

from tocsin.channel import Accepted, Answer, NotSent, Provider, Rejected
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, DeviceKind, Reason
from tocsin.dev.kafka_jars import java
from tocsin.dev.maven_jars import maven_jars
from tocsin.dev.paths import CACHE
from tocsin.dispatch_push.apns import ApnsConfig, ApnsProvider
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.java

HERE = Path(__file__).parent / "pushy"
KNOWN, GONE, STRANGE = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apns")
    certificate_of_loopback(folder)
    (folder / "team.p8").write_text(pem(KEY))
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "team.pub").write_bytes(public)
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    jars = maven_jars(HERE / "pom.xml", folder=CACHE / "pushy", of="Pushy")
    files = [str(folder / name) for name in ("certificate.pem", "key.pem", "team.pub")]
    command = [
        java(),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{jars}/*",
        str(HERE / "MockApns.java"),
    ]
    server = subprocess.Popen(
        [*command, *files, TEAM_ID, KEY_ID, TOPIC, KNOWN, GONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    line = server.stdout.readline()
    try:
        assert line, "the mock of APNs did not start"
        yield int(line)
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


@asynccontextmanager
async def apns(folder: Path, port: int, **fields: object) -> AsyncIterator[Provider]:
    entry = {
        "name": "judged", "kind": "apns", "key_file": "team.p8", "key_id": KEY_ID, "team_id": TEAM_ID, "topic": TOPIC,
        "base_url": f"https://127.0.0.1:{port}", "ca_file": str(folder / "certificate.pem"), "call_timeout": 20,
    }  # fmt: skip
    config = ApnsConfig.model_validate(entry | fields, context={"folder": folder})
    provider = ApnsProvider(config, SystemClock())
    await provider.open()
    yield provider
    await provider.close()


def job(address: str) -> Job:
    return job_for(Channel.PUSH, target=DeviceKind.APNS, address=address)


async def test_a_hundred_at_once_are_taken(folder: Path, port: int) -> None:
    async with apns(folder, port) as provider:
        answers = await asyncio.gather(*(provider.send(job(KNOWN)) for _ in range(100)))
    assert answers == [Accepted(message_id=job(KNOWN).delivery_id)] * 100


@pytest.mark.parametrize(
    ("address", "fields", "code", "kind", "reason"),
    [
        (GONE, {}, "Unregistered", Rejected, Reason.DEVICE_GONE),
        (STRANGE, {}, "DeviceTokenNotForTopic", Rejected, Reason.RECIPIENT_REFUSED),
        (KNOWN, {"key_id": "ZZZ123DEFG"}, "InvalidProviderToken", NotSent, Reason.CREDENTIALS_REFUSED),
        (KNOWN, {"team_id": "OTHER56789"}, "InvalidProviderToken", NotSent, Reason.CREDENTIALS_REFUSED),
        (KNOWN * 2, {}, "BadDeviceToken", Rejected, Reason.ADDRESS_INVALID),
    ],
)
async def test_its_refusals_are_understood(  # noqa: PLR0917 - the columns of the table
    folder: Path,
    port: int,
    address: str,
    fields: dict[str, object],
    code: str,
    kind: type[Answer],
    reason: Reason,
) -> None:
    async with apns(folder, port, **fields) as provider:
        answer = await provider.send(job(address))
    assert (type(answer), answer.code, getattr(answer, "reason", None)) == (kind, code, reason)
    if isinstance(answer, Rejected) and answer.reason is Reason.DEVICE_GONE:
        assert answer.since == datetime(2026, 1, 1, tzinfo=UTC)
