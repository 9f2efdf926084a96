"""The Vonage and AWS endpoints: our providers send to them, and what the real APIs refuse is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.aws_judge import KEY_ID, SECRET

from tocsin.catcher.testing import RunningCatcher
from tocsin.channel import Accepted, NotSent, Rejected, Throttled
from tocsin.channel.provider_config import read_providers
from tocsin.contracts.jobs import SmsContent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_sms.settings import KINDS
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
GOOD = {"channel": "sms", "message_type": "text", "to": "4915112345678", "from": "SHOP", "text": "Hello"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, key = tmp_path_factory.mktemp("keys"), rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(private)
    (folder / "public.pem").write_bytes(public)
    (folder / "secret").write_text(SECRET)
    (folder / "wrong").write_text("wrong")
    return folder


@pytest.fixture(scope="module")
def own_catcher(start_catcher: Callable[..., RunningCatcher], keys: Path) -> RunningCatcher:
    return start_catcher(
        CATCHER_VONAGE_APPLICATION_ID=APPLICATION,
        CATCHER_VONAGE_PUBLIC_KEY_FILE=str(keys / "public.pem"),
        CATCHER_AWS_ACCESS_KEY_ID=KEY_ID,
        CATCHER_AWS_SECRET_ACCESS_KEY=SECRET,
    )


@pytest.fixture
def catcher(own_catcher: RunningCatcher) -> RunningCatcher:
    own_catcher.clear()
    return own_catcher


async def send(catcher: RunningCatcher, keys: Path, kind: str, secret: str = "secret", **fields: Any) -> Any:
    """What our provider of this kind says to one job."""
    aws = f'region = "eu-central-1"\naccess_key_id = "{KEY_ID}"\nsecret_access_key_file = "{secret}"\n'
    vonage = f'application_id = "{APPLICATION}"\nprivate_key_file = "key.pem"\n'
    (keys / "providers.toml").write_text(
        f'[[providers]]\nname = "a"\nkind = "{kind}"\nbase_url = "{catcher.url}"\n'
        + (vonage if kind == "vonage" else aws)
    )
    [config] = read_providers(keys / "providers.toml", KINDS, {}).configs.values()
    provider = KINDS[kind].create(config, SystemClock())
    await provider.open()
    try:
        return await provider.send(job_for(Channel.SMS, **fields))
    finally:
        await provider.close()


@pytest.mark.parametrize("kind", ["vonage", "aws_sms", "sns"])
async def test_a_message_is_taken_and_kept(catcher: RunningCatcher, keys: Path, kind: str) -> None:
    text = "10\u00a0000 € \u3000  two +%26&=👩‍👩‍👧"
    answer = await send(catcher, keys, kind, content=SmsContent(body=text))
    assert isinstance(answer, Accepted)
    [sms] = catcher.messages(channel="sms")
    assert (sms["to"], sms["body"], sms["sid"]) == ("+4915112345678", text, answer.message_id)
    assert sms["from"].removeprefix("+") == "4915100000000"
    job = job_for(Channel.SMS)
    ids = (job.notification_id, job.delivery_id) if kind != "sns" else (None, None)
    assert (sms["notification_id"], sms["delivery_id"]) == ids


@pytest.mark.parametrize(
    ("kind", "number", "expected", "reason"),
    [
        ("vonage", "+15005550001", Rejected, Reason.ADDRESS_INVALID),
        ("vonage", "+15005550002", Rejected, Reason.RECIPIENT_REFUSED),
        ("vonage", "+15005550004", Rejected, Reason.RECIPIENT_STOPPED),
        ("vonage", "+15005550008", Throttled, None),
        ("aws_sms", "+15005550001", Rejected, Reason.ADDRESS_INVALID),
        ("aws_sms", "+15005550004", Rejected, Reason.RECIPIENT_STOPPED),
        ("aws_sms", "+15005550008", Throttled, None),
        ("sns", "+15005550001", Rejected, Reason.ADDRESS_INVALID),
        ("sns", "+15005550004", Rejected, Reason.RECIPIENT_STOPPED),
        ("sns", "+15005550008", Throttled, None),
    ],
)
async def test_some_numbers_say_how_the_phone_is(
    *, catcher: RunningCatcher, keys: Path, kind: str, number: str, expected: type, reason: Reason | None
) -> None:
    answer = await send(catcher, keys, kind, address=number)
    assert (type(answer), getattr(answer, "reason", None)) == (expected, reason)
    assert catcher.messages() == []


@pytest.mark.parametrize("kind", ["aws_sms", "sns"])
async def test_a_wrong_secret_is_refused(catcher: RunningCatcher, keys: Path, kind: str) -> None:
    answer = await send(catcher, keys, kind, secret="wrong")
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED


def token(keys: Path, **changes: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {"application_id": APPLICATION, "iat": now, "exp": now + 900, "jti": "1"} | changes
    return jwt.encode(claims, (keys / "key.pem").read_text(), algorithm="RS256")


def post(catcher: RunningCatcher, message: Any, authorization: str) -> httpx.Response:
    headers = {"Authorization": authorization}
    return httpx.post(f"{catcher.url}/v1/messages", json=message, headers=headers)


@pytest.mark.parametrize(
    "changes", [{"application_id": "another"}, {"exp": 1, "iat": 0}, {"iat": 4e9, "exp": 4e9 + 900}], ids=str
)
def test_a_token_of_somebody_else_or_of_another_time_is_refused(
    catcher: RunningCatcher, keys: Path, changes: dict[str, Any]
) -> None:
    answer = post(catcher, GOOD, f"Bearer {token(keys, **changes)}")
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("#unauthorized")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic eDp5"])
def test_what_is_no_token_is_refused(catcher: RunningCatcher, authorization: str) -> None:
    assert post(catcher, GOOD, authorization).status_code == 401


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"to": None}, "to"),
        ({"to": "+4915112345678"}, "to"),
        ({"from": ""}, "from"),
        ({"from": "Acme Shop Limited"}, "from"),
        ({"text": ""}, "text"),
        ({"text": "x" * 1001}, "text"),
        ({"channel": "fax"}, "channel"),
        ({"message_type": "image"}, "message_type"),
        ({"ttl": 19}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"client_ref": "x" * 101}, "client_ref"),
        ({"webhook_url": "example.com"}, "webhook_url"),
        ({"colour": "red"}, "colour"),
    ],
    ids=str,
)
def test_what_vonage_refuses_is_refused(
    catcher: RunningCatcher, keys: Path, changes: dict[str, Any], parameter: str
) -> None:
    answer = post(catcher, {**GOOD, **changes}, f"Bearer {token(keys)}")
    assert answer.status_code == 422
    assert answer.json()["type"] == "https://developer.vonage.com/api-errors/messages#1020"
    assert [fault["name"] for fault in answer.json()["invalid_parameters"]] == [parameter]
    assert catcher.messages() == []


def test_without_settings_everybody_is_refused(
    start_catcher: Callable[..., RunningCatcher], keys: Path
) -> None:
    catcher = start_catcher()
    assert post(catcher, GOOD, f"Bearer {token(keys)}").status_code == 401
    unsigned = httpx.post(f"{catcher.url}/", data={"Action": "Publish"})
    assert unsigned.status_code == 403
    assert "<Code>InvalidClientTokenId</Code>" in unsigned.text
