"""A token has the form that its push service gives it, by every way in."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from tocsin.contracts.recipients import Device, GivenDevice, GivenRecipient
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.device import judge_device
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.values.subscription import Subscription, read_subscription, subscription

POINT, AUTH = b"\x04" + bytes(range(190, 254)), b"\xff" * 16


def token(**fields: Any) -> str:
    keys = {"p256dh": urlsafe_b64encode(POINT).decode(), "auth": urlsafe_b64encode(AUTH).decode()}
    given = {"endpoint": "https://push.example/send/abc", "expirationTime": None, "keys": keys} | fields
    return json.dumps(given, separators=(",", ":"))


@pytest.mark.parametrize("length", [64, 66, 160, 512])
def test_apns_gives_hexadecimal_of_any_length(length: int) -> None:
    device = Device(id="d", token="aB" * (length // 2), kind="apns")
    assert judge_device(device) is device


@pytest.mark.parametrize("text", ["ab" * 31, "ab" * 31 + "abc", "xy" * 32, "ab" * 257, "<abcd ef01>"])
def test_what_is_no_token_of_apns(text: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        judge_device(Device(id="d", token=text, kind="apns"))
    assert (refused.value.code, refused.value.pointer) == ("device_invalid", "/token")


@pytest.mark.parametrize("kind", ["fcm", "of-a-newer-release"])
def test_other_kinds_have_no_form(kind: str) -> None:
    device = Device(id="d", token="whatever", kind=kind)
    assert judge_device(device) is device


@pytest.mark.parametrize("kind", ["fcm", "apns", "webpush"])
def test_the_sandboxs_tokens_are_of_every_kind(kind: str) -> None:
    device = Device(id="d", token="sandbox-delay-7", kind=kind)
    assert judge_device(device) is device


def test_a_subscription_has_one_form() -> None:
    padded = {"p256dh": b64encode(POINT).decode(), "auth": b64encode(AUTH).decode()}
    forms = {
        subscription(text) for text in (token(), token(keys=padded), token(more=1), subscription(token()))
    }
    assert len(forms) == 1
    (form,) = forms
    read = read_subscription(form)
    assert (read.endpoint, read.public_key, read.auth_secret) == (
        "https://push.example/send/abc",
        POINT,
        AUTH,
    )
    assert "push.example" not in repr(read)
    assert isinstance(read, Subscription)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        "not json",
        token(endpoint="ftp://push.example/"),
        token(endpoint="https://"),
        token(endpoint="https://user:secret@push.example/"),
        token(endpoint="https://push.example/ü"),
        token(endpoint="https://push.example/a b"),
        token(endpoint="https://push.example/" + "a" * 2048),
        token(keys={"p256dh": "AAAA", "auth": "AAAA"}),
        token(
            keys={
                "p256dh": urlsafe_b64encode(b"\x02" + b"\1" * 64).decode(),
                "auth": "//////////////////////",
            }
        ),
        token(keys={"p256dh": "*" * 88, "auth": "A" * 22}),
        token(keys={"auth": "A" * 22}),
    ],
)
def test_what_is_no_subscription(text: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        subscription(text)
    assert refused.value.code == "device_invalid"


def test_devices_given_inline_get_the_same_form() -> None:
    recipient = GivenRecipient(id="ada", devices=[GivenDevice(id="d", token=token(), kind="webpush")])
    judge_recipient(recipient, address_like=True)
    assert recipient.devices is not None
    assert recipient.devices[0].token == subscription(token())
