"""The route with the receipts of real kinds: a ref brings each one's callback back to its delivery, and only at the instance it was sealed for."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from prometheus_client import REGISTRY
from tests.sns_sender import TOPIC, SnsServer, message, posted, signed

from tocsin.channel.callbacks import Callbacks, callbacks_app
from tocsin.channel.receipts import ReceiptsKind
from tocsin.channel.receivers import Receivers
from tocsin.channel.ref import RefKey, Refs, pieces
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.codec import decode_status
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email import ses_receipts
from tocsin.dispatch_email.callbacks import RECEIPTS as OF_EMAIL
from tocsin.dispatch_sms import aws_sms_receipts
from tocsin.dispatch_sms.callbacks import RECEIPTS as OF_SMS
from tocsin.kafka import ProducerRecord, RecordMetadata
from tocsin.runtime import Clock, Health
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = round(NOW.timestamp())
SECRET = "s" * 40
LOGIN = f"tocsin:{SECRET}"
KEYS = [RefKey("1", "k" * 32)]
Call = tuple[str, dict[str, str], bytes]
"""Query, headers, body."""


def mailgun(ref: str) -> Call:
    token = sha256(ref.encode()).hexdigest()
    digest = hmac.new(SECRET.encode(), f"{SECONDS}{token}".encode(), "sha256").hexdigest()
    signature = {"timestamp": str(SECONDS), "token": token, "signature": digest}
    event = {"event": "delivered", "id": "e1", "timestamp": SECONDS, "user-variables": {"tocsin": ref}}
    return "", {}, json.dumps({"signature": signature, "event-data": event}).encode()


def postmark(ref: str) -> Call:
    metadata = {f"tocsin_ref_{place}": piece for place, piece in enumerate(pieces(ref, 80))}
    told = {"RecordType": "Delivery", "MessageID": "m1", "Metadata": metadata}
    return "", {"authorization": f"Basic {b64encode(LOGIN.encode()).decode()}"}, json.dumps(told).encode()


def ses(ref: str) -> Call:
    mail = {"headers": [{"name": "X-Tocsin-Ref", "value": ref}]}
    return "", {}, sns({"eventType": "Delivery", "mail": mail, "delivery": {}})


def aws_sms(ref: str) -> Call:
    return "", {}, sns({"eventType": "TEXT_DELIVERED", "context": {"tocsin_ref": ref}})


def sns(event: dict[str, Any]) -> bytes:
    return posted(signed(message(Message=json.dumps(event)))).body


def vonage(ref: str) -> Call:
    body = json.dumps({"message_uuid": "m1", "status": "delivered"}).encode()
    claims = {"iat": SECONDS, "payload_hash": sha256(body).hexdigest()}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    return f"?ref={ref}", {"authorization": f"Bearer {token}"}, body


def by_sns(read_events: Any) -> ReceiptsKind[Any]:
    """As the kind makes it, with a server of the test's in place of SNS's."""

    def create(config: SnsReceiptsConfig, clock: Clock) -> SnsReceipts:
        return SnsReceipts(config, clock, read_events=read_events, fetch=SnsServer().fetch)

    return ReceiptsKind(config=SnsReceiptsConfig, create=create)


@dataclass(frozen=True)
class Case:
    channel: Channel
    kind: str
    settings: str
    call: Callable[[str], Call]
    receipts: ReceiptsKind[Any]


CASES = [
    Case(Channel.EMAIL, "mailgun", 'signing_key_files = ["secret"]', mailgun, OF_EMAIL["mailgun"]),
    Case(Channel.EMAIL, "postmark", 'login_files = ["login"]', postmark, OF_EMAIL["postmark"]),
    Case(Channel.EMAIL, "ses", f'topics = ["{TOPIC}"]', ses, by_sns(ses_receipts.read_events)),
    Case(Channel.SMS, "vonage", 'signature_secret_files = ["secret"]', vonage, OF_SMS["vonage"]),
    Case(Channel.SMS, "aws_sms", f'topics = ["{TOPIC}"]', aws_sms, by_sns(aws_sms_receipts.read_events)),
]


class Topic:
    """Kafka, as far as a callback sees it."""

    def __init__(self) -> None:
        self.statuses: list[Status] = []

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        for record in records:
            status = decode_status(record.value or b"")
            assert isinstance(status, Status)
            self.statuses.append(status)
        return [RecordMetadata(record.topic, 0, number, 0) for number, record in enumerate(records)]


class Role:
    """The app with one instance, `main`."""

    def __init__(self, case: Case, folder: Path) -> None:
        (folder / "secret").write_text(SECRET)
        (folder / "login").write_text(LOGIN)
        file = folder / "providers.toml"
        file.write_text(
            f'[[providers]]\nname = "main"\nkind = "{case.kind}"\n[providers.receipts]\n{case.settings}\n'
        )
        clock = ManualClock(NOW)
        self.channel = case.channel
        self.topic = Topic()
        receivers = Receivers(
            channel=case.channel, path=file, kinds={case.kind: case.receipts}, ref_keys=KEYS, clock=clock
        )
        callbacks = Callbacks(
            service=f"test-{case.kind}",
            channel=case.channel,
            receivers=receivers,
            publisher=self.topic,
            topics=Topics(),
            public_url="https://callbacks.example.com",
            max_bodies_bytes=8 * 1024 * 1024,
            clock=clock,
        )
        self.app = callbacks_app(callbacks, service=f"test-{case.kind}", health=Health(service="test"))

    async def told(self, call: Call) -> int:
        query, headers, body = call
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            answer = await client.post(f"/callbacks/main{query}", headers=headers, content=body)
        return answer.status_code

    def refused(self, cause: str) -> float:
        labels = {"channel": self.channel.value, "provider": "main", "cause": cause}
        return REGISTRY.get_sample_value("tocsin_receipts_refused_total", labels) or 0.0


@pytest.fixture(params=CASES, ids=[case.kind for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    given: Case = request.param
    return given


def ref_for(case: Case, instance: str) -> str:
    ref = Refs(KEYS, channel=case.channel, instance=instance).seal(job_for(case.channel))
    assert ref is not None
    return ref


async def test_a_callback_becomes_a_status_of_the_delivery_whose_ref_it_bears(
    case: Case, tmp_path: Path
) -> None:
    role, job = Role(case, tmp_path), job_for(case.channel)
    call = case.call(ref_for(case, "main"))
    assert [await role.told(call), await role.told(call)] == [200, 200]
    first, again = role.topic.statuses
    assert (first.status, first.delivery_id, first.provider) == ("delivered", job.delivery_id, "main")
    assert first.status_id == again.status_id


async def test_a_ref_of_another_instance_writes_nothing_and_is_counted(case: Case, tmp_path: Path) -> None:
    role = Role(case, tmp_path)
    before = role.refused("ref")
    assert await role.told(case.call(ref_for(case, "other"))) == 200
    assert role.topic.statuses == []
    assert role.refused("ref") == before + 1


async def test_what_the_provider_has_not_signed_is_refused_and_counted(case: Case, tmp_path: Path) -> None:
    role = Role(case, tmp_path)
    before = role.refused("signature")
    query, headers, body = case.call(ref_for(case, "main"))
    forged = {name: value[:-4] + "AAAA" for name, value in headers.items()}
    changed = body if headers else body.replace(b'ignature": "', b'ignature": "0', 1)
    assert await role.told((query, forged, changed)) == 403
    assert role.topic.statuses == []
    assert role.refused("signature") == before + 1
